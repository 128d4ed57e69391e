"""What a handler leaves unread of a request, under servers that are not ours.

A call may fail before all of its request has come, and its answer then meets a caller who is still sending.
Some never read it: connect-go's unary calls over HTTP/1.1 break their own connection off there. And a
connection that is closed with unread bytes in it is reset, which can destroy the answer on its way. So a
caller who is about to be done may finish first.
"""

from __future__ import annotations

LITTLE = 8 << 20
"""How much of a request may come and be discarded, in bytes: messages up to twice the default limit."""

PATIENCE = 0.5
"""Seconds that an answer waits for that."""


def is_nearly_through(left: int | None) -> bool:
    """Whether so much of a request may come first. `None` is what is not known, or not certain to come."""
    return left is not None and 0 < left <= LITTLE
