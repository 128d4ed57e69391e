"""What can be put around calls: interceptors, for servers and clients alike.

A message interceptor sees the messages of one kind of method and passes the call on by `call_next`. A
metadata interceptor sees the start and the end of every call; those that stand first in a server's list run
before the request is read. Classes need only have the methods; deriving from these protocols is not needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from landbridge.request import RequestContext

__all__ = [
    "BidiStreamInterceptor",
    "BidiStreamInterceptorSync",
    "ClientStreamInterceptor",
    "ClientStreamInterceptorSync",
    "Interceptor",
    "InterceptorSync",
    "MetadataInterceptor",
    "MetadataInterceptorSync",
    "ServerStreamInterceptor",
    "ServerStreamInterceptorSync",
    "UnaryInterceptor",
    "UnaryInterceptorSync",
]

REQ = TypeVar("REQ")
RES = TypeVar("RES")
T = TypeVar("T")


@runtime_checkable
class UnaryInterceptor(Protocol):
    """Stands around methods with one request and one response."""

    async def intercept_unary(
        self,
        call_next: Callable[[REQ, RequestContext[REQ, RES]], Awaitable[RES]],
        request: REQ,
        ctx: RequestContext[REQ, RES],
        /,
    ) -> RES:
        """Call `call_next(request, ctx)` and return what it returns; or change the one or the other, or do
        without.
        """
        ...


@runtime_checkable
class ClientStreamInterceptor(Protocol):
    """Stands around methods with a stream of requests and one response."""

    async def intercept_client_stream(
        self,
        call_next: Callable[[AsyncIterator[REQ], RequestContext[REQ, RES]], Awaitable[RES]],
        request: AsyncIterator[REQ],
        ctx: RequestContext[REQ, RES],
        /,
    ) -> RES:
        """Call `call_next(request, ctx)` and return what it returns; or change the one or the other, or do
        without.
        """
        ...


@runtime_checkable
class ServerStreamInterceptor(Protocol):
    """Stands around methods with one request and a stream of responses."""

    def intercept_server_stream(
        self,
        call_next: Callable[[REQ, RequestContext[REQ, RES]], AsyncIterator[RES]],
        request: REQ,
        ctx: RequestContext[REQ, RES],
        /,
    ) -> AsyncIterator[RES]:
        """Call `call_next(request, ctx)` and return what it returns; or change the one or the other, or do
        without.
        """
        ...


@runtime_checkable
class BidiStreamInterceptor(Protocol):
    """Stands around methods with a stream each way."""

    def intercept_bidi_stream(
        self,
        call_next: Callable[[AsyncIterator[REQ], RequestContext[REQ, RES]], AsyncIterator[RES]],
        request: AsyncIterator[REQ],
        ctx: RequestContext[REQ, RES],
        /,
    ) -> AsyncIterator[RES]:
        """Call `call_next(request, ctx)` and return what it returns; or change the one or the other, or do
        without.
        """
        ...


@runtime_checkable
class MetadataInterceptor(Protocol[T]):
    """Stands around every call, and sees its headers and trailers, not its messages."""

    async def on_start(self, ctx: RequestContext[REQ, RES]) -> T:
        """Begin. What it returns comes back to `on_end`; what it raises ends the call."""
        ...

    async def on_end(
        self,
        token: T,  # noqa: ARG002
        ctx: RequestContext[REQ, RES],  # noqa: ARG002
        error: Exception | None,  # noqa: ARG002
        /,
    ) -> None:
        """End, in whatever way the call ended; `error` says how it failed. Raising replaces the error."""
        return


Interceptor = (
    UnaryInterceptor
    | ClientStreamInterceptor
    | ServerStreamInterceptor
    | BidiStreamInterceptor
    | MetadataInterceptor[Any]
)
"""Any of them. One object may be several."""


@runtime_checkable
class UnaryInterceptorSync(Protocol):
    """Stands around methods with one request and one response, for blocking servers and clients."""

    def intercept_unary_sync(
        self,
        call_next: Callable[[REQ, RequestContext[REQ, RES]], RES],
        request: REQ,
        ctx: RequestContext[REQ, RES],
        /,
    ) -> RES:
        """Call `call_next(request, ctx)` and return what it returns; or change the one or the other, or do
        without.
        """
        ...


@runtime_checkable
class ClientStreamInterceptorSync(Protocol):
    """Stands around methods with a stream of requests and one response, for blocking servers and clients."""

    def intercept_client_stream_sync(
        self,
        call_next: Callable[[Iterator[REQ], RequestContext[REQ, RES]], RES],
        request: Iterator[REQ],
        ctx: RequestContext[REQ, RES],
        /,
    ) -> RES:
        """Call `call_next(request, ctx)` and return what it returns; or change the one or the other, or do
        without.
        """
        ...


@runtime_checkable
class ServerStreamInterceptorSync(Protocol):
    """Stands around methods with one request and a stream of responses, for blocking servers and clients."""

    def intercept_server_stream_sync(
        self,
        call_next: Callable[[REQ, RequestContext[REQ, RES]], Iterator[RES]],
        request: REQ,
        ctx: RequestContext[REQ, RES],
        /,
    ) -> Iterator[RES]:
        """Call `call_next(request, ctx)` and return what it returns; or change the one or the other, or do
        without.
        """
        ...


@runtime_checkable
class BidiStreamInterceptorSync(Protocol):
    """Stands around methods with a stream each way, for blocking servers and clients."""

    def intercept_bidi_stream_sync(
        self,
        call_next: Callable[[Iterator[REQ], RequestContext[REQ, RES]], Iterator[RES]],
        request: Iterator[REQ],
        ctx: RequestContext[REQ, RES],
        /,
    ) -> Iterator[RES]:
        """Call `call_next(request, ctx)` and return what it returns; or change the one or the other, or do
        without.
        """
        ...


@runtime_checkable
class MetadataInterceptorSync(Protocol[T]):
    """Stands around every call, and sees its headers and trailers, not its messages, for blocking servers and
    clients.
    """

    def on_start_sync(self, ctx: RequestContext[REQ, RES]) -> T:
        """Begin. What it returns comes back to `on_end`; what it raises ends the call."""
        ...

    def on_end_sync(
        self,
        token: T,  # noqa: ARG002
        ctx: RequestContext[REQ, RES],  # noqa: ARG002
        error: Exception | None,  # noqa: ARG002
        /,
    ) -> None:
        """End, in whatever way the call ended; `error` says how it failed. Raising replaces the error."""
        return


InterceptorSync = (
    UnaryInterceptorSync
    | ClientStreamInterceptorSync
    | ServerStreamInterceptorSync
    | BidiStreamInterceptorSync
    | MetadataInterceptorSync[Any]
)
"""Any of them. One object may be several."""
