"""Clients, asynchronous and blocking, for Connect, gRPC and gRPC-Web.

Generated code derives `XServiceClient` from `ConnectClient` and `XServiceClientSync` from
`ConnectClientSync`.
Both take a `Transport`, which holds what they share: connections, TLS, retries, balancing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from landbridge.client._asynchronous import ConnectClient
from landbridge.client._blocking import ConnectClientSync
from landbridge.client._cancellation import Cancellation
from landbridge.client._response_metadata import ResponseMetadata

if TYPE_CHECKING:
    from landbridge.client._in_memory import InMemory, InMemorySync
    from landbridge.client._streams import BidiStream, ClientStream, ServerStream
    from landbridge.client._streams_sync import BidiStreamSync, ClientStreamSync, ServerStreamSync
    from landbridge.client._transport import TlsSettings, Transport

__all__ = [
    "BidiStream",
    "BidiStreamSync",
    "Cancellation",
    "ClientStream",
    "ClientStreamSync",
    "ConnectClient",
    "ConnectClientSync",
    "InMemory",
    "InMemorySync",
    "ResponseMetadata",
    "ServerStream",
    "ServerStreamSync",
    "TlsSettings",
    "Transport",
]


# Servers import generated code, and with it this module; what only callers need waits for them.
_LATER = {
    "_in_memory": {"InMemory", "InMemorySync"},
    "_streams": {"BidiStream", "ClientStream", "ServerStream"},
    "_streams_sync": {"BidiStreamSync", "ClientStreamSync", "ServerStreamSync"},
    "_transport": {"TlsSettings", "Transport"},
}


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name in names:
            from importlib import import_module  # noqa: PLC0415

            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
