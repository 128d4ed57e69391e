"""The numbers that the core knows the kinds of methods by."""

from __future__ import annotations

from landbridge.method import StreamType

KINDS = {
    StreamType.UNARY: 0,
    StreamType.CLIENT_STREAM: 1,
    StreamType.SERVER_STREAM: 2,
    StreamType.BIDI_STREAM: 3,
}
