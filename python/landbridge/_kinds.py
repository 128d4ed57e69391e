"""Which kinds of methods stream which way, and the numbers that the core knows them by."""

from __future__ import annotations

from landbridge.method import StreamType

KINDS = {
    StreamType.UNARY: 0,
    StreamType.CLIENT_STREAM: 1,
    StreamType.SERVER_STREAM: 2,
    StreamType.BIDI_STREAM: 3,
}


def takes_stream(kind: StreamType) -> bool:
    """Whether there is a stream of requests, and not exactly one."""
    return kind is StreamType.CLIENT_STREAM or kind is StreamType.BIDI_STREAM


def gives_stream(kind: StreamType) -> bool:
    """Whether there is a stream of responses, and not exactly one."""
    return kind is StreamType.SERVER_STREAM or kind is StreamType.BIDI_STREAM
