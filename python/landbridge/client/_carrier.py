"""What carries calls in place of the transport: how it fails, and what both kinds of httpx clients share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from landbridge.protocol import ProtocolType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from landbridge.client._configuration import Configuration

ROOM = 64 << 10
"""Bytes of a request that may wait for the carrier."""


class CarrierError(Exception):
    """A carrier could not carry a call: the code and what happened."""

    @property
    def is_late(self) -> bool:
        """Whether the time of the call was over."""
        return bool(self.args[0] == "deadline_exceeded")


def httpx_address(configuration: Configuration) -> str:
    """What paths are put behind. Raises `ValueError` for a protocol that httpx cannot carry."""
    if configuration.protocol is ProtocolType.GRPC:
        raise ValueError("gRPC needs HTTP trailers, which httpx does not pass on: use the transport")
    return configuration.address[0].rstrip("/")


@contextmanager
def httpx_failures(httpx: Any) -> Iterator[None]:
    """Raises what httpx raises as `CarrierError`. `httpx` is the module."""
    try:
        yield
    except httpx.TimeoutException as late:
        raise CarrierError("deadline_exceeded", str(late) or type(late).__name__) from late
    except httpx.HTTPError as broken:
        raise CarrierError("unavailable", str(broken) or type(broken).__name__) from broken
