"""Streams as they are typed and read, and how they are ended."""

import signal

import pytest

from tests.call.program import Program, method
from tests.running.bridge import Bridge

SLOW = '{"name": "%s", "upTo": 1000, "delayMs": 20}'


def state(landbridge: Program, port: int, name: str) -> str:
    """What became of a `Count`, once it has ended."""
    request = f'{{"name": "{name}", "untilEnded": true}}'
    (document,) = landbridge.call(method(port, "Look"), "-d", request, "--protocol", "grpc").documents
    said: str = document["state"]
    return said


@pytest.mark.parametrize("protocol", ["connect", "grpc", "grpc-web"])
def test_each_message_is_sent_when_it_is_typed_and_printed_when_it_comes(
    program: Program, bridge: Bridge, protocol: str
) -> None:
    target = method(bridge.port, "Converse")
    with program.calling(target, "-d", "-", "--protocol", protocol) as conversation:
        for sentence in ("one", "two", "three"):
            conversation.type(f'{{"sentence": "{sentence}"}}')
            assert conversation.next() == {"sentence": f"You said: {sentence}"}
        conversation.end_typing()
        assert conversation.rest() == b""
        assert conversation.status() == 0


def test_ctrl_c_cancels_the_call(program: Program, talk_server: int) -> None:
    name = f"interrupted by {program.path}"
    target = (method(talk_server, "Count"), "--protocol", "grpc")
    with program.calling(*target, "-d", SLOW % name) as conversation:
        assert conversation.next() == {"number": 1}
        conversation.process.send_signal(signal.SIGINT)
        assert conversation.status() == -signal.SIGINT
    assert state(program, talk_server, name) == "STATE_CANCELLED"


def test_a_closed_output_cancels_the_call(program: Program, talk_server: int) -> None:
    name = f"not read by {program.path}"
    target = (method(talk_server, "Count"), "--protocol", "grpc")
    with program.calling(*target, "-d", SLOW % name) as conversation:
        assert conversation.next() == {"number": 1}
        conversation.stop_reading()
        assert conversation.status() == 141
    assert state(program, talk_server, name) == "STATE_CANCELLED"


def test_a_stream_that_fails_prints_its_messages_first(landbridge: Program, bridge: Bridge) -> None:
    request = '{"upTo": 2, "failure": {"code": 9, "message": "enough"}}'
    for protocol in ("connect", "grpc", "grpc-web"):
        target = method(bridge.port, "CountAndFail")
        done = landbridge.call(target, "-d", request, "--protocol", protocol)
        assert (done.status, done.out) == (73, '{"number":1}\n{"number":2}\n')
        assert done.err == 'failed_precondition: enough\n  talk.v1.Reason: {"text":"because of enough"}\n'


def test_what_is_typed_wrong_ends_the_call(landbridge: Program, talk_server: int) -> None:
    target = (method(talk_server, "Converse"), "-d", "-", "--protocol", "grpc")
    done = landbridge.call(*target, typed='{"sentence": "a"}\n{"sentence": ')
    assert done.status == 2
    assert "standard input is no JSON" in done.err
    done = landbridge.call(*target, typed='{"sentence": "a"}\n{"sentense": "b"}')
    assert done.status == 2
    assert "message 2 of standard input: talk.v1.ConverseRequest: " in done.err
    assert '"sentense"' in done.err
