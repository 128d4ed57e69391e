"""What is known of a method from its schema."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

__all__ = ["IdempotencyLevel", "MethodInfo", "StreamType"]

REQ = TypeVar("REQ")
RES = TypeVar("RES")


class IdempotencyLevel(Enum):
    """What calling a method twice does; `option idempotency_level` of the schema."""

    UNKNOWN = 1
    """Nothing is known: it may do things twice."""

    NO_SIDE_EFFECTS = 2
    """It changes nothing (RFC 9110 section 9.2.1: safe). Connect clients may call it by GET."""

    IDEMPOTENT = 3
    """Calling it again leaves things as calling it once (RFC 9110 section 9.2.2)."""


class StreamType(Enum):
    """How many messages flow each way."""

    UNARY = 1
    """One request, one response."""

    CLIENT_STREAM = 2
    """A stream of requests, one response."""

    SERVER_STREAM = 3
    """One request, a stream of responses."""

    BIDI_STREAM = 4
    """A stream each way."""


@dataclass(kw_only=True, frozen=True, slots=True)
class MethodInfo(Generic[REQ, RES]):
    """One method of a service."""

    name: str
    """Its name in the schema, without the service."""

    service_name: str
    """The full name of its service, with the package."""

    input: type[REQ]
    """The class of its request messages."""

    output: type[RES]
    """The class of its response messages."""

    idempotency_level: IdempotencyLevel
    """What calling it twice does."""

    stream_type: StreamType
    """How many messages flow each way."""
