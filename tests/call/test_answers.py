"""What is printed, and the exit status."""

import json
import os
import pty
import socket
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from talk.v1 import talk_pb2

from tests.call.program import SECONDS, TALK, Program, method
from tests.peers.backends import raw_backend
from tests.running.bridge import Bridge


@pytest.mark.parametrize("protocol", ["connect", "grpc", "grpc-web"])
def test_an_error_has_its_code_message_and_details(program: Program, bridge: Bridge, protocol: str) -> None:
    request = '{"code": 5, "message": "nobody there"}'
    done = program.call(method(bridge.port, "Fail"), "-d", request, "--protocol", protocol)
    # 64 and the number of the code.
    assert (done.status, done.out) == (69, "")
    assert done.err == 'not_found: nobody there\n  talk.v1.Reason: {"text":"because of nobody there"}\n'


def test_details_of_unknown_types_are_shown_in_base64(landbridge: Program, python_server: int) -> None:
    done = landbridge.call(method(python_server, "Fail"), "-d", '{"code": 5, "message": ""}')
    assert (done.status, done.err) == (69, "not_found: \n  talk.v1.Reason: base64 CgtiZWNhdXNlIG9mIA==\n")


def test_the_usual_details_need_no_schema(landbridge: Program, talk_descriptors: Path) -> None:
    quota = {"subject": "a", "quotaDimensions": {"zone": "b"}, "quotaValue": "3", "futureQuotaValue": "4"}
    field = {"field": "a.b", "reason": "C", "localizedMessage": {"locale": "en", "message": "no"}}
    sent: dict[str, dict[str, Any]] = {
        "ErrorInfo": {"reason": "A", "domain": "b.example", "metadata": {"c": "d"}},
        "RetryInfo": {"retryDelay": "1.500s"},
        "DebugInfo": {"stackEntries": ["a", "b"], "detail": "c"},
        "QuotaFailure": {"violations": [quota]},
        "PreconditionFailure": {"violations": [{"type": "a", "subject": "b", "description": "c"}]},
        "BadRequest": {"fieldViolations": [field]},
        "RequestInfo": {"requestId": "a", "servingData": "b"},
        "ResourceInfo": {"resourceType": "a", "resourceName": "b", "owner": "c", "description": "d"},
        "Help": {"links": [{"description": "a", "url": "https://b.example"}]},
        "LocalizedMessage": {"locale": "en", "message": "a"},
    }
    status = status_pb2.Status(code=3, message="all wrong")
    for name, content in sent.items():
        status.details.add().Pack(ParseDict(content, getattr(error_details_pb2, name)()))

    def fail(_messages: list[bytes], context: grpc.ServicerContext) -> list[bytes]:
        context.abort_with_status(rpc_status.to_status(status))
        raise AssertionError("abort raises")

    with raw_backend(fail) as backend:
        schema = ("--schema", talk_descriptors, "--protocol", "grpc")
        done = landbridge.call(method(backend.port, "Say"), *schema)
    said, *details = done.err.splitlines()
    assert (done.status, said) == (67, "invalid_argument: all wrong")
    shown = dict(line.strip().split(": ", 1) for line in details)
    assert {name: json.loads(content) for name, content in shown.items()} == {
        f"google.rpc.{name}": content for name, content in sent.items()
    }


def test_every_code_has_a_status_of_its_own(landbridge: Program, bridge: Bridge) -> None:
    for code in range(1, 17):
        done = landbridge.call(method(bridge.port, "Fail"), "-d", f'{{"code": {code}}}')
        assert done.status == 64 + code


def test_heads_and_trailers_are_shown_on_request(landbridge: Program, talk_server: int) -> None:
    target = method(talk_server, "Say")
    done = landbridge.call(target, "-p", "grpc", "-H", "X-Tag: blue", "-H", "x-tag: red", "-v")
    assert done.documents == [{"sentence": "You said: "}]
    sent, received = done.err.split(">\n")
    assert sent.startswith(f"> POST {target}\n")
    assert "> x-tag: blue\n> x-tag: red\n" in sent
    assert "> content-type: application/grpc+proto\n" in sent
    assert "< HTTP 200\n< x-tag-header: blue\n< x-tag-header: red\n<\n" in received
    assert received.endswith("< x-tag-trailer: blue\n< x-tag-trailer: red\n")


def test_a_deadline_ends_the_call(landbridge: Program, bridge: Bridge) -> None:
    for protocol in ("connect", "grpc", "grpc-web"):
        flags = ("--timeout", "100ms", "--protocol", protocol)
        done = landbridge.call(method(bridge.port, "Say"), "-d", '{"delayMs": 20000}', *flags)
        assert done.status == 68
        assert done.err.startswith("deadline_exceeded: ")
        # That there was no answer in time says nothing of what the server speaks.
        assert "--protocol" not in done.err


def test_a_deadline_holds_for_reflection_too(landbridge: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = method(silent.getsockname()[1], "Say")
        for protocol in ("connect", "grpc"):
            done = landbridge.call(target, "--timeout", "100ms", "--protocol", protocol)
            assert done.status == 68
            assert done.err.startswith("deadline_exceeded: ")


def test_people_get_documents_indented(landbridge: Program, talk_server: int) -> None:
    ours, terminal = pty.openpty()
    url = method(talk_server, "Say")
    command = [str(landbridge.path), "call", url, "-p", "grpc", "-d", '{"sentence": "a"}']
    with os.fdopen(ours, "rb") as shown:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=terminal, timeout=SECONDS, check=True)
        lines = [shown.readline() for _ in range(4)]
        os.close(terminal)
    assert lines == [b"{\r\n", b'  "sentence": "You said: a",\r\n', b'  "letters": "1"\r\n', b"}\r\n"]


def test_a_server_that_cannot_be_reached_is_an_error_of_the_call(program: Program) -> None:
    for protocol in ("connect", "grpc"):
        done = program.call(method(1, "Say"), "--protocol", protocol)
        assert done.status == 78
        assert done.err == "unavailable: cannot connect to 127.0.0.1:1: Connection refused (os error 111)\n"


def test_a_message_above_the_limit_is_refused(landbridge: Program, talk_server: int) -> None:
    target = (method(talk_server, "Say"), "-d", '{"paddingBytes": 10000}', "--protocol", "grpc")
    assert landbridge.call(*target, "--max-message-bytes", "20000").status == 0
    done = landbridge.call(*target, "--max-message-bytes", "5000")
    assert done.status == 72
    assert "5000" in done.err


def test_an_answer_that_does_not_fit_the_schema_is_an_error(
    landbridge: Program, talk_descriptors: Path
) -> None:
    with raw_backend(lambda _messages, _context: [b"\xff"]) as backend:
        schema = ("--schema", talk_descriptors, "--protocol", "grpc")
        done = landbridge.call(method(backend.port, "Say"), *schema)
    assert done.status == 77
    assert done.err.startswith("internal: the server's message does not fit: talk.v1.SayResponse")


def test_a_servers_text_does_not_steer_the_terminal(landbridge: Program, talk_descriptors: Path) -> None:
    def answer(_messages: list[bytes], context: grpc.ServicerContext) -> list[bytes]:
        context.abort(grpc.StatusCode.NOT_FOUND, "\x1b[2Jgone")
        raise AssertionError("abort raises")

    with raw_backend(answer) as backend:
        schema = ("--schema", talk_descriptors, "--protocol", "grpc")
        done = landbridge.call(method(backend.port, "Say"), *schema)
    assert (done.status, done.err) == (69, "not_found: \\u{1b}[2Jgone\n")


def test_what_is_given_wrong_is_said_before_anything_is_sent(
    program: Program, talk_descriptors: Path
) -> None:
    with raw_backend(lambda _messages, _context: [b""]) as backend:
        schema = ("--schema", talk_descriptors, "--protocol", "grpc")
        for name, arguments, said in [
            ("Say", ("-d", '{"sentense": "a"}'), '"sentense"'),
            ("Say", ("-d", "{}{}"), "the method takes one message, and -d has more"),
            ("Say", ("-d", ""), "an empty one is {}"),
            ("Say", ("-d", "{"), "-d is no JSON"),
            ("Say", ("-d", "@no-such-file.json"), "no-such-file.json"),
            ("Says", (), "the service has Say, Look, Count, Sum, Converse, Fail, CountAndFail"),
            ("Say", ("--timeout", "soon"), "500ms"),
            ("Say", ("-H", "no colon"), "colon"),
            ("Say", ("--colour", "blue"), "--colour"),
        ]:
            done = program.call(method(backend.port, name), *arguments, *schema)
            assert (done.status, done.out) == (2, ""), done
            assert said in done.err
        done = program.call(f"http://127.0.0.1:{backend.port}")
        assert done.status == 2
        assert "/package.Service/Method" in done.err
    assert backend.calls == []


def test_a_server_that_speaks_only_grpc_is_told_of(landbridge: Program, talk_server: int) -> None:
    done = landbridge.call(method(talk_server, "Say"))
    assert done.status > 64
    assert "--protocol grpc" in done.err


def test_the_request_is_what_the_json_says(landbridge: Program, talk_descriptors: Path) -> None:
    with raw_backend(lambda _messages, _context: [b""]) as backend:
        flags = ("--schema", talk_descriptors, "--protocol", "grpc", "--compress", "gzip")
        request = '{"sentence": "a", "delay_ms": 3}'
        assert landbridge.call(method(backend.port, "Say"), "-d", request, *flags).documents == [{}]
    (call,) = backend.calls
    assert call.method == f"/{TALK}/Say"
    assert call.messages == [talk_pb2.SayRequest(sentence="a", delay_ms=3).SerializeToString()]
