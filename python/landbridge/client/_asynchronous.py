"""The asynchronous client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from landbridge._limits import DEFAULT_COMPRESS_MIN_BYTES
from landbridge.client._configuration import (
    DEFAULT_SEND_COMPRESSION,
    Configuration,
    lines_of,
)
from landbridge.client._response_metadata import wanted
from landbridge.protocol import ProtocolType

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Coroutine, Iterable, Sequence
    from datetime import timedelta
    from types import TracebackType
    from typing import Self

    from landbridge._headers import GivenHeaders, Lines
    from landbridge.client._context import CallContext
    from landbridge.client._operation import Operation
    from landbridge.client._streams import BidiStream, ClientStream, ServerStream
    from landbridge.client._transport import Transport
    from landbridge.codec import Codec
    from landbridge.compression import Compression
    from landbridge.interceptor import Interceptor
    from landbridge.method import MethodInfo

__all__ = ["ConnectClient"]

REQ = TypeVar("REQ")
RES = TypeVar("RES")


class ConnectClient:
    """Calls a server from an event loop. Generated clients derive from it.

    One client may be used from several event loops. A call that is given up, by cancelling its task or by
    dropping its stream, is cancelled on the wire.
    """

    def __init__(
        self,
        address: str | Sequence[str],
        *,
        codec: Codec[Any, Any] | None = None,
        protocol: ProtocolType = ProtocolType.CONNECT,
        accept_compression: Iterable[Compression] | None = None,
        send_compression: Compression | None = DEFAULT_SEND_COMPRESSION,
        timeout_ms: float | timedelta | None = None,
        read_max_bytes: int | None = None,
        interceptors: Iterable[Interceptor] = (),
        http_client: Any = None,
        transport: Transport | None = None,
        compress_min_bytes: int = DEFAULT_COMPRESS_MIN_BYTES,
        wait_for_ready: bool | None = None,
    ) -> None:
        """Settle how calls are made. Nothing is connected before the first.

        Args:
            address: `http://host:port`, `https://host`, `unix:path` or `dns:///host:port`; or several of
                them, which are taken in turns.
            codec: The format of messages; protobuf's binary one if not given.
            protocol: What the server speaks.
            accept_compression: What responses may be compressed by, the most wanted first; gzip if not given,
                and deflate in gRPC and gRPC-Web.
            send_compression: What requests are compressed by; `None` for nothing.
            timeout_ms: How long a call may take, in milliseconds or as a `timedelta`; no limit if not given.
            read_max_bytes: The largest response message in bytes, after decompression: 1 or more, or -1 for
                no limit; 4 MiB if not given. A larger one is `RESOURCE_EXHAUSTED`.
            interceptors: What stands around every call, the first outermost.
            http_client: What carries calls in place of the transport: an `httpx.AsyncClient`, for Connect and
                gRPC-Web, or an `InMemory` application, for all three protocols. Its owner closes it.
            transport: Connections and their settings; `Transport.default()` if not given.
            compress_min_bytes: Request messages below this many bytes are not compressed.
            wait_for_ready: Whether calls wait for a server that cannot be reached; the transport's if not
                given.

        Raises `TypeError` or `ValueError` for what cannot work.
        """
        self._configuration = Configuration(
            address,
            codec=codec,
            protocol=protocol,
            accept_compression=accept_compression,
            send_compression=send_compression,
            timeout_ms=timeout_ms,
            read_max_bytes=read_max_bytes,
            interceptors=interceptors,
            is_blocking=False,
            compress_min_bytes=compress_min_bytes,
            wait_for_ready=wait_for_ready,
            transport=transport,
            http_client=http_client,
        )
        # Servers import this module, too, with the code that is generated; they may do without asyncio.
        from asyncio import get_running_loop  # noqa: PLC0415

        from landbridge.client._loops import events_of  # noqa: PLC0415

        self._running_loop = get_running_loop
        self._events_of = events_of

    async def close(self) -> None:
        """Make no more calls. Those in flight go on."""
        self._configuration.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def execute_unary(
        self,
        *,
        request: REQ,
        method: MethodInfo[REQ, RES],
        headers: GivenHeaders | None = None,
        timeout_ms: float | timedelta | None = None,
        use_get: bool = False,
    ) -> RES:
        """Call a method with one request and one response.

        Raises `ConnectError` where the call fails, and what asyncio raises where its task is cancelled.
        """
        configuration = self._configuration
        operation = configuration.operation(method)
        timeout = configuration.timeout(timeout_ms)
        lines = lines_of(headers)
        if not configuration.interceptors:
            response: RES = await self._unary(operation, request, lines, timeout, use_get, None)
            return response
        ctx = configuration.context(method, lines, timeout, use_get)
        answered: RES = await configuration.around(operation, self._unary_with)(request, ctx)
        return answered

    @overload
    def execute_client_stream(
        self,
        *,
        request: AsyncIterable[REQ] | Iterable[REQ],
        method: MethodInfo[REQ, RES],
        headers: GivenHeaders | None = None,
        timeout_ms: float | timedelta | None = None,
    ) -> Coroutine[Any, Any, RES]: ...

    @overload
    def execute_client_stream(
        self,
        *,
        request: None = None,
        method: MethodInfo[REQ, RES],
        headers: GivenHeaders | None = None,
        timeout_ms: float | timedelta | None = None,
    ) -> ClientStream[REQ, RES]: ...

    def execute_client_stream(
        self,
        *,
        request: AsyncIterable[REQ] | Iterable[REQ] | None = None,
        method: MethodInfo[REQ, RES],
        headers: GivenHeaders | None = None,
        timeout_ms: float | timedelta | None = None,
    ) -> Coroutine[Any, Any, RES] | ClientStream[REQ, RES]:
        """Call a method with a stream of requests and one response.

        With requests from an iterator it is awaited; without, messages are sent one by one on what it
        returns.
        """
        from landbridge.client._streams import ClientStream, converse  # noqa: PLC0415

        conversation = converse(self, method, request, lines_of(headers), timeout_ms)
        if request is None:
            return ClientStream(conversation)
        return conversation.only()

    def execute_server_stream(
        self,
        *,
        request: REQ,
        method: MethodInfo[REQ, RES],
        headers: GivenHeaders | None = None,
        timeout_ms: float | timedelta | None = None,
    ) -> ServerStream[RES]:
        """Call a method with one request and a stream of responses."""
        from landbridge.client._streams import ServerStream, converse  # noqa: PLC0415

        return ServerStream(converse(self, method, request, lines_of(headers), timeout_ms))

    def execute_bidi_stream(
        self,
        *,
        request: AsyncIterable[REQ] | Iterable[REQ] | None = None,
        method: MethodInfo[REQ, RES],
        headers: GivenHeaders | None = None,
        timeout_ms: float | timedelta | None = None,
    ) -> BidiStream[REQ, RES]:
        """Call a method with a stream each way.

        Requests come from an iterator; without one they are sent one by one on what it returns.
        """
        from landbridge.client._streams import BidiStream, converse  # noqa: PLC0415

        return BidiStream(converse(self, method, request, lines_of(headers), timeout_ms))

    async def _unary(
        self,
        operation: Operation,
        request: Any,
        lines: Lines | None,
        limit_ms: float | None,
        use_get: bool,
        ctx: CallContext | None,
    ) -> Any:
        loop = self._running_loop()
        ended = loop.create_future()
        call = operation.starter.start(
            self._events_of(loop),
            ended,
            operation.encode(request),
            lines,
            limit_ms,
            use_get,
            self._configuration.wait_for_ready,
        )
        if ctx is not None:
            ctx.begin(call)
        try:
            await ended
        except BaseException:
            call.cancel()
            raise
        metadata = wanted()
        if metadata is not None:
            metadata._take(call)
        if ctx is not None:
            ctx.take(call)
        return operation.decode(call.answer(), call)

    async def _unary_with(self, request: Any, ctx: CallContext) -> Any:
        operation = self._configuration.operation(ctx.method)
        return await self._unary(operation, request, ctx.lines(), ctx.timeout_ms, ctx.use_get, ctx)
