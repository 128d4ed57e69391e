"""gRPC-Web: its content types, its text form, any chunking."""

import base64
import struct
from collections.abc import Callable, Iterator, Sequence

import httpx
import pytest
from talk.v1 import talk_pb2

from tests.peers.conftest import http_client
from tests.peers.connect import envelope, envelopes, path
from tests.running.bridge import Bridge

REQUEST = talk_pb2.SayRequest(sentence="hello").SerializeToString()
TRAILERS = 0x80


def _assert_said_hello(body: bytes, *, json: bool = False) -> None:
    (flags, message), (last_flags, trailers) = envelopes(body)
    assert (flags, last_flags) == (0, TRAILERS)
    if json:
        assert b"You said: hello" in message
    else:
        assert talk_pb2.SayResponse.FromString(message).sentence == "You said: hello"
    assert _trailers(trailers)["grpc-status"] == "0"


def _trailers(block: bytes) -> dict[str, str]:
    lines = [line.split(":", 1) for line in block.decode().split("\r\n") if line]
    assert all(name == name.lower() for name, _ in lines)
    return {name: value.strip() for name, value in lines}


def _decoded(text: bytes) -> bytes:
    # Padding may come in mid-stream, so groups of four are decoded one by one.
    assert len(text) % 4 == 0
    return b"".join(base64.b64decode(text[at : at + 4], validate=True) for at in range(0, len(text), 4))


@pytest.mark.parametrize(
    "content_type",
    [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web+json",
        "application/grpc-web+proto; charset=utf-8",
        "Application/gRPC-Web+Proto",
    ],
)
def test_every_binary_content_type_is_served(client: httpx.Client, content_type: str) -> None:
    json = "json" in content_type
    body = envelope(b'{"sentence": "hello"}' if json else REQUEST)
    answer = client.post(path("Say"), content=body, headers={"content-type": content_type})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/grpc-web")
    _assert_said_hello(answer.content, json=json)


def _whole(body: bytes) -> bytes:
    return base64.b64encode(body)


def _unpadded(body: bytes) -> bytes:
    return base64.b64encode(body).rstrip(b"=")


def _padded_in_mid_stream(body: bytes) -> bytes:
    return base64.b64encode(body[:5]) + base64.b64encode(body[5:])


@pytest.mark.parametrize(
    "encode", [_whole, _unpadded, _padded_in_mid_stream], ids=lambda encode: encode.__name__[1:]
)
@pytest.mark.parametrize("content_type", ["application/grpc-web-text", "application/grpc-web-text+proto"])
@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_text_is_served_padded_or_not_in_any_pieces(
    client: httpx.Client, encode: Callable[[bytes], bytes], content_type: str, piece: int
) -> None:
    text = encode(envelope(REQUEST))
    answer = client.post(path("Say"), content=_pieces(text, piece), headers={"content-type": content_type})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/grpc-web-text")
    _assert_said_hello(_decoded(answer.content))


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def test_text_that_is_not_base64_is_an_error_in_the_callers_protocol(client: httpx.Client) -> None:
    answer = client.post(path("Say"), content=b"*&^%", headers={"content-type": "application/grpc-web-text"})
    assert answer.status_code == 200
    assert _status_of(answer, text=True) in {"3", "13"}


def _status_of(answer: httpx.Response, *, text: bool = False) -> str:
    if "grpc-status" in answer.headers:
        return answer.headers["grpc-status"]
    flags, trailers = envelopes(_decoded(answer.content) if text else answer.content)[-1]
    assert flags == TRAILERS
    return _trailers(trailers)["grpc-status"]


def test_an_error_keeps_its_code_message_and_metadata(client: httpx.Client) -> None:
    request = talk_pb2.FailRequest(code=9, message="50% café").SerializeToString()
    answer = client.post(
        path("Fail"), content=envelope(request), headers={"content-type": "application/grpc-web+proto"}
    )
    told: dict[str, str] = dict(answer.headers)
    if answer.content:
        told |= _trailers(envelopes(answer.content)[-1][1])
    assert told["grpc-status"] == "9"
    assert told["grpc-message"] == "50%25 caf%C3%A9"
    assert told["x-tag-trailer"] == "failed"
    assert "grpc-status-details-bin" in told


def test_a_stream_ends_with_trailers_after_its_messages(client: httpx.Client) -> None:
    request = talk_pb2.CountRequest(up_to=3).SerializeToString()
    answer = client.post(
        path("Count"), content=envelope(request), headers={"content-type": "application/grpc-web+proto"}
    )
    *messages, (flags, _) = envelopes(answer.content)
    assert [talk_pb2.CountResponse.FromString(data).number for _, data in messages] == [1, 2, 3]
    assert flags == TRAILERS


@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        (b"", ["12", "13", "3"]),
        (b"\0\0\0", ["13", "3"]),
        (struct.pack(">BI", 0, 2**32 - 1), ["8"]),
        (envelope(REQUEST) * 2, ["12", "13"]),
    ],
    ids=["no message", "cut head", "4 GiB", "two messages"],
)
def test_malformed_bodies_are_errors(bridge: Bridge, body: bytes, statuses: Sequence[str]) -> None:
    with http_client(bridge) as client:
        answer = client.post(path("Say"), content=body, headers={"content-type": "application/grpc-web"})
    assert answer.status_code == 200
    assert _status_of(answer) in statuses
