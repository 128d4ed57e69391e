"""The protocols that calls are made in."""

from __future__ import annotations

from enum import Enum

__all__ = ["ProtocolType"]


class ProtocolType(Enum):
    """What a caller and a server speak with each other."""

    CONNECT = 1
    """Connect: plain HTTP, readable by curl and browsers."""

    GRPC = 2
    """gRPC over HTTP/2."""

    GRPC_WEB = 3
    """gRPC-Web, binary or text."""
