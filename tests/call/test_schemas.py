"""Where the schema comes from, and what a server has."""

from pathlib import Path

import grpc

from tests.call.program import TALK, Program, method
from tests.peers.backends import raw_backend
from tests.running.bridge import Bridge
from tests.running.python_server import running_python_server
from tests.running.stubs import DEMO_PROTO, DEMO_PROTOS

SAY = f"{TALK}/Say(talk.v1.SayRequest) returns (talk.v1.SayResponse)\n"
CONVERSE = f"{TALK}/Converse(stream talk.v1.ConverseRequest) returns (stream talk.v1.ConverseResponse)\n"


def test_a_servers_methods_are_listed(program: Program, talk_server: int, bridge: Bridge) -> None:
    for port in (talk_server, bridge.port):
        done = program.call(f"http://127.0.0.1:{port}", "--list")
        assert done.status == 0
        assert SAY in done.out
        assert CONVERSE in done.out
        assert "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo(stream " in done.out


def test_reflection_gets_through_http_1(landbridge: Program, bridge: Bridge) -> None:
    for protocol in ("connect", "grpc-web"):
        done = landbridge.call(bridge.url, "--list", "--http1.1", "--protocol", protocol)
        assert done.status == 0, done
        assert SAY in done.out


def test_names_are_explained(landbridge: Program, talk_server: int, talk_descriptors: Path) -> None:
    state = (
        "enum talk.v1.State {\n  STATE_UNSPECIFIED = 0;\n  STATE_RUNNING = 1;\n  STATE_FINISHED = 2;\n"
        "  STATE_CANCELLED = 3;\n}\n"
    )
    url = f"http://127.0.0.1:{talk_server}"
    assert landbridge.call(url, "--describe", "talk.v1.State").out == state
    look = landbridge.call(url, "--describe", f"{TALK}/Look", "--schema", talk_descriptors)
    assert look.out == (
        "rpc Look(talk.v1.LookRequest) returns (talk.v1.LookResponse) "
        "{ option idempotency_level = NO_SIDE_EFFECTS; }\n"
    )
    unknown = landbridge.call(url, "--describe", "talk.v1.Nobody")
    assert (unknown.status, unknown.out) == (2, "")
    assert '"talk.v1.Nobody"' in unknown.err


def test_a_descriptor_set_stands_in_for_reflection(landbridge: Program, talk_descriptors: Path) -> None:
    # Nobody has to answer for that.
    done = landbridge.call("http://127.0.0.1:1", "--list", "--schema", talk_descriptors)
    assert done.status == 0
    assert SAY in done.out
    assert "reflection" not in done.out


def test_a_proto_file_stands_in_for_reflection(
    landbridge: Program, python_server: int, tmp_path: Path
) -> None:
    target = (method(python_server, "Say"), "--protocol", "grpc")
    said = [{"sentence": "You said: "}]
    assert landbridge.call(*target, "--schema", DEMO_PROTOS / DEMO_PROTO).documents == said
    assert landbridge.call(*target, "--schema", DEMO_PROTO, "-I", DEMO_PROTOS).documents == said
    broken = tmp_path / "broken.proto"
    broken.write_text('syntax = "proto3";\nmessage {}\n')
    done = landbridge.call(*target, "--schema", broken)
    assert (done.status, done.out) == (2, "")
    assert "broken.proto:2:" in done.err


def test_a_python_server_that_has_reflection_needs_no_file(landbridge: Program, own_stubs: str) -> None:
    assert own_stubs
    with running_python_server("examples.talk_async:application", 0, "--reflection") as port:
        for flags in [(), ("-p", "grpc"), ("-p", "grpc-web"), ("-p", "grpc-web", "--http1.1")]:
            done = landbridge.call(method(port, "Count"), "-d", '{"upTo": 2}', "--reflect", *flags)
            assert done.documents == [{"number": 1}, {"number": 2}], done


def test_reflection_is_asked_for_what_a_descriptor_set_lacks(
    landbridge: Program, talk_server: int, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.binpb"
    empty.write_bytes(b"")
    target = (method(talk_server, "Say"), "--protocol", "grpc", "--schema", empty)
    alone = landbridge.call(*target)
    assert (alone.status, alone.out) == (2, "")
    assert "has no service talk.v1.TalkService" in alone.err
    assert landbridge.call(*target, "--reflect").documents == [{"sentence": "You said: "}]


def test_without_any_schema_it_is_said_how_to_give_one(landbridge: Program, python_server: int) -> None:
    def refuse(_messages: list[bytes], context: grpc.ServicerContext) -> list[bytes]:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "no such method")
        raise AssertionError("abort raises")

    with raw_backend(refuse) as backend:
        for port, flags in [
            (backend.port, ("--protocol", "grpc")),
            (backend.port, ("--reflect",)),
            (backend.port, ("--protocol", "grpc", "--no-reflect")),
            (python_server, ("--protocol", "grpc-web")),
            (python_server, ("--codec", "proto")),
        ]:
            done = landbridge.call(method(port, "Say"), *flags)
            assert (done.status, done.out) == (1, ""), done
            assert "--schema" in done.err
            assert "reflection" in done.err


def test_a_file_that_is_no_descriptor_set_is_named(landbridge: Program, tmp_path: Path) -> None:
    text = tmp_path / "talk.txt"
    text.write_text('syntax = "proto3";\n')
    for file, said in [(text, "--descriptor_set_out"), (tmp_path / "absent", "No such file")]:
        done = landbridge.call(method(1, "Say"), "--schema", file)
        assert done.status == 2
        assert str(file) in done.err
        assert said in done.err
