"""The Connect protocol written out over httpx, so that a test sees every header and every byte."""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

SERVICE = "talk.v1.TalkService"
END_STREAM = 0x02

JsonObject = dict[str, Any]


def path(method: str) -> str:
    """Return the path of a method of the demo's service."""
    return f"/{SERVICE}/{method}"


def post_json(
    client: httpx.Client, method: str, message: JsonObject, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Make a unary call in JSON."""
    sent = {"content-type": "application/json", "connect-protocol-version": "1", **(headers or {})}
    return client.post(path(method), content=json.dumps(message), headers=sent)


def post_proto(
    client: httpx.Client, method: str, message: bytes, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Make a unary call in the binary format."""
    sent = {
        "content-type": "application/proto",
        "connect-protocol-version": "1",
        **(headers or {}),
    }
    return client.post(path(method), content=message, headers=sent)


def error_of(answer: httpx.Response) -> JsonObject:
    """Return the error that a unary answer must be."""
    assert answer.status_code != 200, answer.text
    assert answer.headers["content-type"] == "application/json", answer.text
    error: JsonObject = answer.json()
    return error


@dataclass(frozen=True)
class Stream:
    """A streaming answer, read to its end."""

    response: httpx.Response
    messages: Sequence[bytes]
    end: JsonObject
    """The content of the end-stream message."""

    @property
    def error_code(self) -> str:
        """The code of the error that the stream must have ended with."""
        code: str = self.end["error"]["code"]
        return code


def post_stream(
    client: httpx.Client,
    method: str,
    messages: Sequence[bytes],
    *,
    codec: str = "proto",
    headers: Mapping[str, str] | None = None,
) -> Stream:
    """Make a streaming call with all messages at once."""
    content_type = f"application/connect+{codec}"
    sent = {"content-type": content_type, "connect-protocol-version": "1", **(headers or {})}
    answer = client.post(path(method), content=b"".join(map(envelope, messages)), headers=sent)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == content_type
    return stream_of(answer)


def stream_of(answer: httpx.Response) -> Stream:
    """Take a streaming answer apart; it must end with exactly one end-stream message."""
    *messages, (last_flags, last) = envelopes(answer.content)
    assert [flags for flags, _ in messages] == [0] * len(messages)
    assert last_flags == END_STREAM
    return Stream(answer, [data for _, data in messages], json.loads(last))


def envelope(data: bytes, flags: int = 0) -> bytes:
    """Put five bytes of flags and length before a message."""
    return struct.pack(">BI", flags, len(data)) + data


def envelopes(body: bytes) -> list[tuple[int, bytes]]:
    """Take a body apart into flags and data; it must hold nothing but whole envelopes."""
    found = []
    while body:
        assert len(body) >= 5, f"an envelope is cut: {body!r}"
        flags, length = struct.unpack_from(">BI", body)
        assert len(body) >= 5 + length, f"an envelope is cut: {body!r}"
        found.append((flags, body[5 : 5 + length]))
        body = body[5 + length :]
    return found
