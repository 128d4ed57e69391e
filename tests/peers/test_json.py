"""JSON callers of a server that only knows the binary format."""

from collections.abc import Callable

import httpx
import pytest
from talk.v1 import talk_pb2

from tests.peers.backends import raw_backend
from tests.peers.conftest import http_client
from tests.peers.connect import envelope, error_of, path, post_json, post_stream
from tests.running.bridge import Bridge


def test_json_is_translated_by_the_schema_that_reflection_gives(client: httpx.Client) -> None:
    answer = post_json(client, "Say", {"sentence": "hello", "paddingBytes": 3})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    # An int64 is a string in JSON, bytes are base64, names are lowerCamelCase.
    assert answer.json() == {"sentence": "You said: hello", "letters": "5", "padding": "AAAA"}


def test_json_is_translated_by_the_schema_of_a_descriptor_set(start_bridge: Callable[..., Bridge]) -> None:
    said = talk_pb2.SayResponse(sentence="without reflection").SerializeToString()
    with raw_backend(lambda _messages, _context: [said]) as backend:
        with http_client(start_bridge(backend.port)) as client:
            answer = post_json(client, "Say", {"sentence": "hello"})
        assert answer.json() == {"sentence": "without reflection"}
        assert backend.calls[0].messages == [talk_pb2.SayRequest(sentence="hello").SerializeToString()]


def test_json_without_any_schema_is_an_error_that_says_how_to_give_one(
    start_bridge: Callable[..., Bridge],
) -> None:
    with raw_backend(lambda _messages, _context: [b""]) as backend:
        bridge = start_bridge(backend.port, schema=False, landbridge={"reflection": False})
        with http_client(bridge) as client:
            error = error_of(post_json(client, "Say", {"sentence": "hello"}))
    assert "descriptor_set" in error["message"]
    assert "reflection" in error["message"]
    assert backend.calls == []


def test_json_streams_are_translated_message_by_message(client: httpx.Client) -> None:
    stream = post_stream(client, "Count", [b'{"upTo": 2}'], codec="json")
    assert list(stream.messages) == [b'{"number":1}', b'{"number":2}']
    assert "error" not in stream.end


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"not JSON",
        b"[]",
        b'{"sentence": 5}',
        b'{"sentence": "\xff"}',
        b"{}{}",
        b"[" * 100_000,
    ],
    ids=[
        "nothing",
        "no JSON",
        "a list",
        "wrong type",
        "no UTF-8",
        "two values",
        "deep nesting",
    ],
)
def test_json_that_is_not_the_message_is_an_invalid_argument(client: httpx.Client, message: bytes) -> None:
    answer = client.post(
        "/talk.v1.TalkService/Say", content=message, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert error_of(answer)["code"] == "invalid_argument"


@pytest.mark.parametrize(
    ("method", "content_type", "wanted"),
    [
        ("Say", "application/connect+json", "application/json"),
        ("Count", "application/json", "application/connect+json"),
        ("Sum", "application/json", "application/connect+json"),
    ],
)
@pytest.mark.parametrize("schema", [True, False], ids=["known", "asked for"])
def test_a_method_is_not_called_in_connects_form_for_the_other_shape(
    talk_server: int,
    start_bridge: Callable[..., Bridge],
    schema: bool,
    method: str,
    content_type: str,
    wanted: str,
) -> None:
    with http_client(start_bridge(talk_server, schema=schema)) as client:
        answer = client.post(path(method), content=envelope(b"{}"), headers={"content-type": content_type})
    assert (answer.status_code, error_of(answer)["code"]) == (415, "unimplemented")
    accepted = answer.headers["accept-post"].split(", ")
    assert wanted in accepted
    assert content_type not in accepted
