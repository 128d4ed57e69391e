"""httpx as a carrier of calls."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from landbridge.client._carried import CarrierError
from landbridge.protocol import ProtocolType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from landbridge._headers import Lines
    from landbridge.client._carried_async import AsyncCarriedCall
    from landbridge.client._carried_sync import SyncCarriedCall
    from landbridge.client._configuration import Configuration


def over_httpx(http_client: Any, configuration: Configuration) -> Any:
    """Carries calls over an `httpx.AsyncClient`."""
    import httpx  # noqa: PLC0415

    if not isinstance(http_client, httpx.AsyncClient):
        kind = type(http_client).__name__
        raise TypeError(f"http_client is an httpx.AsyncClient or an InMemory application, not {kind}")
    base = _base(configuration)

    async def carry(
        http_method: str,
        target: str,
        headers: Lines,
        content: AsyncIterator[bytes] | bytes,
        seconds: float | None,
        call: AsyncCarriedCall,
    ) -> None:
        timeout = _timeout(httpx, seconds)
        request = http_client.build_request(
            http_method, base + target, headers=headers, content=content, timeout=timeout
        )
        with _failures(httpx):
            response = await http_client.send(request, stream=True)
            try:
                call.respond(response.status_code, response.headers.raw)
                async for data in response.aiter_raw():
                    await call.push(data)
                call.end(None)
            finally:
                await response.aclose()

    return carry


def over_httpx_sync(http_client: Any, configuration: Configuration) -> Any:
    """Carries calls over an `httpx.Client`."""
    import httpx  # noqa: PLC0415

    if not isinstance(http_client, httpx.Client):
        kind = type(http_client).__name__
        raise TypeError(f"http_client is an httpx.Client or an InMemorySync application, not {kind}")
    base = _base(configuration)

    def carry(
        http_method: str,
        target: str,
        headers: Lines,
        content: Iterator[bytes] | bytes,
        seconds: float | None,
        call: SyncCarriedCall,
    ) -> None:
        timeout = _timeout(httpx, seconds)
        request = http_client.build_request(
            http_method, base + target, headers=headers, content=content, timeout=timeout
        )
        with _failures(httpx):
            response = http_client.send(request, stream=True)
            try:
                call.respond(response.status_code, response.headers.raw)
                for data in response.iter_raw():
                    call.push(data)
                call.end(None)
            finally:
                response.close()

    return carry


def _base(configuration: Configuration) -> str:
    """What paths are put behind. Raises `ValueError` for a protocol that httpx cannot carry."""
    if configuration.protocol is ProtocolType.GRPC:
        raise ValueError("gRPC needs HTTP trailers, which httpx does not pass on: use the transport")
    return configuration.address[0].rstrip("/")


def _timeout(httpx: Any, seconds: float | None) -> Any:
    """The call's own time, or the client's where it has none. `httpx` is the module."""
    return httpx.USE_CLIENT_DEFAULT if seconds is None else httpx.Timeout(seconds)


@contextmanager
def _failures(httpx: Any) -> Iterator[None]:
    """Raises what httpx raises as `CarrierError`. `httpx` is the module."""
    try:
        yield
    except httpx.TimeoutException as late:
        raise CarrierError("deadline_exceeded", str(late) or type(late).__name__) from late
    except httpx.HTTPError as broken:
        raise CarrierError("unavailable", str(broken) or type(broken).__name__) from broken
