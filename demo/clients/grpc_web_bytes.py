"""gRPC-Web written out byte by byte over httpx, as a browser sends it: binary and text."""

import base64
import struct
from collections.abc import Iterator

import httpx
from talk.v1 import talk_pb2

from demo.rows import Row, expect

SAY = "/talk.v1.TalkService/Say"
TRAILERS_FLAG = 0x80


def rows(origin: str) -> Iterator[Row]:
    """One unary call in each of the two body formats."""
    yield Row("httpx", "gRPC-Web", "1.1", "unary", lambda: _say(origin, text=False))
    yield Row("httpx", "gRPC-Web text", "1.1", "unary", lambda: _say(origin, text=True))


def _say(origin: str, *, text: bool) -> str:
    message = talk_pb2.SayRequest(sentence="hello").SerializeToString()
    body = struct.pack(">BI", 0, len(message)) + message
    content_type = "application/grpc-web-text" if text else "application/grpc-web+proto"
    answer = httpx.post(
        origin + SAY,
        content=base64.b64encode(body) if text else body,
        headers={"content-type": content_type, "accept": content_type, "x-grpc-web": "1"},
    )
    expect("HTTP status", answer.status_code, 200)
    expect(
        "content type", answer.headers["content-type"].split("+")[0], content_type.split("+", maxsplit=1)[0]
    )
    (flag, reply), (trailers_flag, trailers) = _envelopes(
        _decoded(answer.content) if text else answer.content
    )
    expect("flag of the message", flag, 0)
    sentence = talk_pb2.SayResponse.FromString(reply).sentence
    expect("sentence", sentence, "You said: hello")
    expect("flag of the trailers", trailers_flag, TRAILERS_FLAG)
    expect("status in the trailers", "grpc-status: 0" in _normal(trailers), True)
    return sentence


def _envelopes(body: bytes) -> list[tuple[int, bytes]]:
    found = []
    while body:
        flag, length = struct.unpack_from(">BI", body)
        found.append((flag, body[5 : 5 + length]))
        body = body[5 + length :]
    return found


def _decoded(text: bytes) -> bytes:
    # Each chunk may be padded by itself, so groups of four are decoded one by one.
    return b"".join(base64.b64decode(text[start : start + 4]) for start in range(0, len(text), 4))


def _normal(trailers: bytes) -> list[str]:
    lines = trailers.decode().strip().split("\r\n")
    return [": ".join(part.strip() for part in line.split(":", 1)) for line in lines]
