"""The blocking client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from landbridge._limits import DEFAULT_COMPRESS_MIN_BYTES
from landbridge.client._cancellation import covered
from landbridge.client._configuration import (
    DEFAULT_SEND_COMPRESSION,
    Configuration,
    lines_of,
)
from landbridge.client._response_metadata import wanted
from landbridge.protocol import ProtocolType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta
    from types import TracebackType
    from typing import Self

    from landbridge._headers import GivenHeaders, Lines
    from landbridge.client._context import CallContext
    from landbridge.client._operation import Operation
    from landbridge.client._streams_sync import BidiStreamSync, ClientStreamSync, ServerStreamSync
    from landbridge.client._transport import Transport
    from landbridge.codec import Codec
    from landbridge.compression import Compression
    from landbridge.interceptor import InterceptorSync
    from landbridge.method import MethodInfo

__all__ = ["ConnectClientSync"]

REQ = TypeVar("REQ")
RES = TypeVar("RES")


class ConnectClientSync:
    """Calls a server from threads, any number at once. Generated clients derive from it.

    A call waits outside of Python's lock. Signals such as Ctrl-C interrupt it; a `Cancellation` gives it up.
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
        interceptors: Iterable[InterceptorSync] = (),
        http_client: Any = None,
        transport: Transport | None = None,
        compress_min_bytes: int = DEFAULT_COMPRESS_MIN_BYTES,
        wait_for_ready: bool | None = None,
    ) -> None:
        """Settle how calls are made; the arguments are those of `ConnectClient`.

        `http_client` is an `httpx.Client` or an `InMemorySync` application here, either for Connect and
        gRPC-Web.
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
            is_blocking=True,
            compress_min_bytes=compress_min_bytes,
            wait_for_ready=wait_for_ready,
            transport=transport,
            http_client=http_client,
        )

    def close(self) -> None:
        """Make no more calls. Those in flight go on."""
        self._configuration.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def execute_unary(
        self,
        *,
        request: REQ,
        method: MethodInfo[REQ, RES],
        headers: GivenHeaders | None = None,
        timeout_ms: float | timedelta | None = None,
        use_get: bool = False,
    ) -> RES:
        """Call a method with one request and one response. Raises `ConnectError` where the call fails."""
        configuration = self._configuration
        operation = configuration.operation(method)
        timeout = configuration.timeout(timeout_ms)
        lines = lines_of(headers)
        if not configuration.interceptors:
            response: RES = self._unary(operation, request, lines, timeout, use_get, None)
            return response
        ctx = configuration.context(method, lines, timeout, use_get)
        answered: RES = configuration.around(operation, self._unary_with)(request, ctx)
        return answered

    @overload
    def execute_client_stream(
        self,
        *,
        request: Iterable[REQ],
        method: MethodInfo[REQ, RES],
        headers: GivenHeaders | None = None,
        timeout_ms: float | timedelta | None = None,
    ) -> RES: ...

    @overload
    def execute_client_stream(
        self,
        *,
        request: None = None,
        method: MethodInfo[REQ, RES],
        headers: GivenHeaders | None = None,
        timeout_ms: float | timedelta | None = None,
    ) -> ClientStreamSync[REQ, RES]: ...

    def execute_client_stream(
        self,
        *,
        request: Iterable[REQ] | None = None,
        method: MethodInfo[REQ, RES],
        headers: GivenHeaders | None = None,
        timeout_ms: float | timedelta | None = None,
    ) -> RES | ClientStreamSync[REQ, RES]:
        """Call a method with a stream of requests and one response.

        With requests from an iterator it returns the response; without, messages are sent one by one on
        what it returns.
        """
        from landbridge.client._streams_sync import ClientStreamSync, converse  # noqa: PLC0415

        conversation = converse(self, method, request, lines_of(headers), timeout_ms)
        if request is None:
            return ClientStreamSync(conversation)
        response: RES = conversation.only()
        return response

    def execute_server_stream(
        self,
        *,
        request: REQ,
        method: MethodInfo[REQ, RES],
        headers: GivenHeaders | None = None,
        timeout_ms: float | timedelta | None = None,
    ) -> ServerStreamSync[RES]:
        """Call a method with one request and a stream of responses."""
        from landbridge.client._streams_sync import ServerStreamSync, converse  # noqa: PLC0415

        return ServerStreamSync(converse(self, method, request, lines_of(headers), timeout_ms))

    def execute_bidi_stream(
        self,
        *,
        request: Iterable[REQ] | None = None,
        method: MethodInfo[REQ, RES],
        headers: GivenHeaders | None = None,
        timeout_ms: float | timedelta | None = None,
    ) -> BidiStreamSync[REQ, RES]:
        """Call a method with a stream each way.

        Requests come from an iterator, which a thread of its own runs; without one they are sent one by one
        on what it returns.
        """
        from landbridge.client._streams_sync import BidiStreamSync, converse  # noqa: PLC0415

        return BidiStreamSync(converse(self, method, request, lines_of(headers), timeout_ms))

    def _unary(
        self,
        operation: Operation,
        request: Any,
        lines: Lines | None,
        timeout: float | None,
        use_get: bool,
        ctx: CallContext | None,
    ) -> Any:
        wait_for_ready = self._configuration.wait_for_ready
        message = operation.encode(request)
        call = operation.starter.prepare(message, lines, timeout, use_get, wait_for_ready)
        if ctx is not None:
            ctx.begin(call)
        covered(call)
        try:
            answer = call.answer_blocking()
        finally:
            call.cancel()
            metadata = wanted()
            if metadata is not None:
                metadata._take(call)
            if ctx is not None:
                ctx.take(call)
        return operation.decode(answer, call)

    def _unary_with(self, request: Any, ctx: CallContext) -> Any:
        operation = self._configuration.operation(ctx.method)
        return self._unary(operation, request, ctx.lines(), ctx.timeout_ms, ctx.use_get, ctx)
