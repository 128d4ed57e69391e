"""Applications: services with their methods, for the native server and for ASGI and WSGI servers.

Generated code derives `XServiceASGIApplication` and `XServiceWSGIApplication` from the classes here. Give
applications to `landbridge.serving.Server` or `landbridge serve`, or mount them like any ASGI or WSGI
application.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from landbridge._endpoints import Endpoint, EndpointSync, blocks, checked
from landbridge._limits import DEFAULT_COMPRESS_MIN_BYTES, DEFAULT_READ_MAX_BYTES
from landbridge._offer import Offer
from landbridge._operations.chain import around, hoisted
from landbridge._operations.operation import Operation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence

    from landbridge.codec import Codec
    from landbridge.compression import Compression
    from landbridge.interceptor import Interceptor, InterceptorSync

__all__ = [
    "DEFAULT_COMPRESS_MIN_BYTES",
    "DEFAULT_READ_MAX_BYTES",
    "ConnectASGIApplication",
    "ConnectWSGIApplication",
    "Endpoint",
    "EndpointSync",
]

S = TypeVar("S")


class _Servable(ABC):
    """What a server asks of any application."""

    _desc: Callable[[], Any] | None

    @property
    @abstractmethod
    def path(self) -> str:
        """Where its methods are: `/package.Service`."""

    @property
    def _service_names(self) -> tuple[str, ...]:
        """The full names of the services that it serves."""
        return (self.path.removeprefix("/"),)

    # Most need to know neither.

    def _joined(self, applications: Sequence[_Servable]) -> None:  # noqa: B027
        """Be told of all applications that a server is about to serve, this one among them."""

    def _leaving(self) -> None:  # noqa: B027
        """Be told that the server begins to stop."""


class ConnectASGIApplication(_Servable, Generic[S]):
    """A service whose methods run in an event loop."""

    def __init__(
        self,
        *,
        service: S | AsyncGenerator[S, None],
        endpoints: Callable[[S], Mapping[str, Endpoint[Any, Any]]],
        interceptors: Iterable[Interceptor] = (),
        read_max_bytes: int | None = DEFAULT_READ_MAX_BYTES,
        compressions: Iterable[Compression] | None = None,
        codecs: Iterable[Codec[Any, Any]] | None = None,
        compress_min_bytes: int = DEFAULT_COMPRESS_MIN_BYTES,
        show_exceptions: bool = False,
        desc: Callable[[], Any] | None = None,
    ) -> None:
        """Settle what is served.

        Args:
            service: The service, or an asynchronous generator that yields it once: what stands before the
                `yield` runs at the start, what stands behind it at the end.
            endpoints: The methods of a service, by path. Generated code gives it.
            interceptors: What stands around every call, the first outermost.
            read_max_bytes: The largest request message in bytes, after decompression; `None` for no limit.
            compressions: What callers may use in requests and get in responses; gzip and deflate if not
                given.
            codecs: The formats of messages; protobuf's binary and JSON if not given.
            compress_min_bytes: Response messages below this many bytes are not compressed.
            show_exceptions: Whether callers see the text of exceptions that are no `ConnectError`, for
                development.
            desc: Gives the descriptor of the service, for reflection. Generated code gives it.
        """
        if isinstance(service, type) or inspect.isasyncgenfunction(service):
            name = service.__name__
            raise TypeError(f"service is {name} itself: give what it makes, {name}()")
        self._service = service
        self._endpoints = endpoints
        self._before, self._interceptors = hoisted(interceptors, sync=False)
        self._offer = Offer(
            codecs=codecs,
            compressions=compressions,
            read_max_bytes=read_max_bytes,
            compress_min_bytes=compress_min_bytes,
        )
        self._show_exceptions = show_exceptions
        self._desc = desc
        self._resolved: dict[str, Operation] | None = None
        self._has_been_served = False

    @property
    def _needs_lifespan(self) -> bool:
        return inspect.isasyncgen(self._service)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Have the service ready; for servers that do not speak ASGI's lifespan."""
        if not inspect.isasyncgen(self._service):
            yield
            return
        if self._has_been_served:
            advice = "make another application for another server"
            raise RuntimeError(f"an application whose service is a generator is served once: {advice}")
        self._has_been_served = True
        generator = cast("AsyncGenerator[S, None]", self._service)
        try:
            service = await anext(generator)
        except StopAsyncIteration:
            message = "the generator of a service has ended without a yield: it yields the service, once"
            raise RuntimeError(message) from None
        self._resolve(service)
        try:
            yield
        finally:
            self._resolved = None
            async for _ in generator:
                raise RuntimeError("the generator of a service has come to a second yield: it yields it once")

    @property
    def _operations(self) -> dict[str, Operation]:
        """By path. Raises `RuntimeError` before a service that is a generator has started."""
        if self._resolved is None:
            if self._needs_lifespan:
                raise RuntimeError(
                    "the service is an async generator, which the server's lifespan starts: "
                    "use a server that supports it, and have it switched on"
                )
            self._resolve(cast("S", self._service))
        return cast("dict[str, Operation]", self._resolved)

    def _resolve(self, service: S) -> None:
        self._resolved = {
            path: self._operation(endpoint) for path, endpoint in self._endpoints(service).items()
        }

    def _operation(self, endpoint: Endpoint[Any, Any]) -> Operation:
        method = endpoint.method
        function = checked(endpoint)
        if blocks(endpoint):
            # Threads are for those who have blocking handlers.
            from landbridge._operations.on_threads import awaitable  # noqa: PLC0415

            function = awaitable(function, method.stream_type)
        return Operation(
            method,
            around(function, self._interceptors, method.stream_type, sync=False),
            codecs=self._offer.codecs_for(method.input),
            compressions=self._offer.compressions,
            read_max_bytes=self._offer.read_max_bytes,
            before=self._before,
            is_async=True,
            shows_exceptions=self._show_exceptions,
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI scope: `http` or `lifespan`."""
        from landbridge._asgi import serve  # noqa: PLC0415

        await serve(self, scope, receive, send)


class ConnectWSGIApplication(_Servable):
    """A service whose methods run on threads."""

    def __init__(
        self,
        *,
        endpoints: Mapping[str, EndpointSync[Any, Any]],
        interceptors: Iterable[InterceptorSync] = (),
        read_max_bytes: int | None = DEFAULT_READ_MAX_BYTES,
        compressions: Iterable[Compression] | None = None,
        codecs: Iterable[Codec[Any, Any]] | None = None,
        compress_min_bytes: int = DEFAULT_COMPRESS_MIN_BYTES,
        show_exceptions: bool = False,
        desc: Callable[[], Any] | None = None,
    ) -> None:
        """Settle what is served; the arguments are those of `ConnectASGIApplication`."""
        self._desc = desc
        before, inner = hoisted(interceptors, sync=True)
        self._offer = Offer(
            codecs=codecs,
            compressions=compressions,
            read_max_bytes=read_max_bytes,
            compress_min_bytes=compress_min_bytes,
        )
        self._operations = {
            path: Operation(
                endpoint.method,
                around(checked(endpoint), inner, endpoint.method.stream_type, sync=True),
                codecs=self._offer.codecs_for(endpoint.method.input),
                compressions=self._offer.compressions,
                read_max_bytes=self._offer.read_max_bytes,
                before=before,
                is_async=False,
                shows_exceptions=show_exceptions,
            )
            for path, endpoint in endpoints.items()
        }

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one WSGI request."""
        from landbridge._wsgi import serve  # noqa: PLC0415

        return serve(self, environ, start_response)
