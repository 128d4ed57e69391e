"""Every kind of method, in every protocol, at every server."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.call.program import Program, method
from tests.running.bridge import Bridge

ANSWERS = [
    ("Say", '{"sentence": "hello"}', [{"sentence": "You said: hello", "letters": "5"}]),
    ("Count", '{"upTo": 3}', [{"number": 1}, {"number": 2}, {"number": 3}]),
    ("Sum", '{"number": 3}\n{"number": 4}', [{"total": "7"}]),
    ("Converse", '{"sentence": "a"} {"sentence": "b"}', [{"sentence": f"You said: {x}"} for x in "ab"]),
]
"""A method, its request, and the documents of its response."""

WAYS = [
    ("connect",),
    ("connect", "--codec", "proto"),
    ("connect", "--http1.1"),
    ("grpc",),
    ("grpc-web",),
    ("grpc-web", "--http1.1"),
    ("grpc-web", "--compress", "gzip"),
]


def test_a_grpc_server_is_called_with_nothing_but_a_url_and_json(program: Program, talk_server: int) -> None:
    for name, request, response in ANSWERS:
        done = program.call(method(talk_server, name), "-d", request, "--protocol", "grpc")
        assert done.documents == response, done
        assert done.err == ""


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_a_bridge_is_called_in_every_protocol(
    landbridge: Program, bridge: Bridge, way: Sequence[str]
) -> None:
    for name, request, response in ANSWERS:
        done = landbridge.call(method(bridge.port, name), "-d", request, "--protocol", *way)
        assert done.documents == response, done


@pytest.mark.parametrize("way", [*WAYS, ("grpc", "--codec", "json", "--compress", "gzip")], ids=" ".join)
def test_a_python_server_is_called_in_every_protocol(
    landbridge: Program, python_server: int, talk_descriptors: Path, way: Sequence[str]
) -> None:
    for name, request, response in ANSWERS:
        schema = ("--schema", talk_descriptors)
        done = landbridge.call(method(python_server, name), "-d", request, *schema, "--protocol", *way)
        assert done.documents == response, done


def test_connect_needs_no_schema(program: Program, python_server: int) -> None:
    say = program.call(method(python_server, "Say"), "-d", '{"sentence": "hello"}')
    assert say.documents == [{"sentence": "You said: hello", "letters": "5"}]
    count = program.call(method(python_server, "Count"), "-d", '{"upTo": 2}', "--stream")
    assert count.documents == [{"number": 1}, {"number": 2}]


def test_without_data_an_empty_message_is_sent_or_an_empty_stream(
    landbridge: Program, bridge: Bridge, python_server: int
) -> None:
    for protocol in ("connect", "grpc"):
        flags = ("--protocol", protocol)
        assert landbridge.call(method(bridge.port, "Look"), *flags).documents == [{}]
        assert landbridge.call(method(bridge.port, "Count"), *flags).documents == []
        assert landbridge.call(method(bridge.port, "Sum"), *flags).documents == [{}]
        assert landbridge.call(method(bridge.port, "Converse"), *flags).documents == []
    assert landbridge.call(method(python_server, "Say")).documents == [{"sentence": "You said: "}]


def test_data_may_come_from_a_file_or_standard_input(
    landbridge: Program, talk_server: int, tmp_path: Path
) -> None:
    file = tmp_path / "numbers.json"
    file.write_text('{\n  "number": 1\n}\n{"number": 2}')
    target = (method(talk_server, "Sum"), "--protocol", "grpc")
    assert landbridge.call(*target, "-d", f"@{file}").documents == [{"total": "3"}]
    assert landbridge.call(*target, "-d", "-", typed='{"number": 5}{"number": 6}').documents == [
        {"total": "11"}
    ]


def test_methods_without_side_effects_can_be_called_by_get(landbridge: Program, bridge: Bridge) -> None:
    look = landbridge.call(method(bridge.port, "Look"), "--get", "-v")
    assert look.documents == [{}]
    assert look.err.startswith(f"> GET {method(bridge.port, 'Look')}?"), look
    say = landbridge.call(method(bridge.port, "Say"), "--get")
    assert say.status == 2
    assert "NO_SIDE_EFFECTS" in say.err


def test_fields_with_their_default_value_are_shown_on_request(landbridge: Program, bridge: Bridge) -> None:
    for codec in ("json", "proto"):
        flags = ("--codec", codec, "--emit-defaults")
        assert landbridge.call(method(bridge.port, "Look"), *flags).documents == [
            {"state": "STATE_UNSPECIFIED"}
        ]
