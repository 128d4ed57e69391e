"""A talk service that uses every part of Connect-Python's server API, in google mode."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any

from connectrpc.code import Code
from connectrpc.codec import Codec
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_codecs, google_protobuf_json_codec
from connectrpc.compression import Compression
from connectrpc.compression.brotli import BrotliCompression
from connectrpc.compression.gzip import GzipCompression
from connectrpc.compression.zstd import ZstdCompression
from connectrpc.errors import ConnectError, ErrorDetail
from connectrpc.interceptor import (
    BidiStreamInterceptor,
    BidiStreamInterceptorSync,
    ClientStreamInterceptor,
    ClientStreamInterceptorSync,
    Interceptor,
    InterceptorSync,
    MetadataInterceptor,
    MetadataInterceptorSync,
    ServerStreamInterceptor,
    ServerStreamInterceptorSync,
    UnaryInterceptor,
    UnaryInterceptorSync,
)
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.protocol import ProtocolType
from connectrpc.request import Headers, RequestContext
from connectrpc.server import (
    DEFAULT_READ_MAX_BYTES,
    ConnectASGIApplication,
    ConnectWSGIApplication,
    Endpoint,
    EndpointSync,
)
from google.protobuf.wrappers_pb2 import StringValue
from protobuf.wkt import Duration
from talk.v1 import talk_pb2
from talk.v1.talk_connect import (
    TalkService,
    TalkServiceASGIApplication,
    TalkServiceSync,
    TalkServiceWSGIApplication,
)

Context = RequestContext[Any, Any]


def _described(ctx: Context) -> str:
    method: MethodInfo[Any, Any] = ctx.method
    assert method.idempotency_level in IdempotencyLevel
    assert method.stream_type in StreamType
    assert method.input.DESCRIPTOR.full_name.startswith("talk.v1.")
    assert method.output.DESCRIPTOR.full_name.startswith("talk.v1.")
    assert ctx.server_address is not None
    assert ctx.client_address is not None
    has_time = ctx.timeout_ms is not None and ctx.timeout_ms > 0
    return f"{method.service_name}/{method.name} by {ctx.http_method}, time: {has_time}"


def _tagged(ctx: Context) -> None:
    """Give the caller's tags back."""
    known = Headers(list(ctx.request_headers.allitems()))
    tags = known.getall("X-Tag")
    for tag in tags:
        ctx.response_headers.add("x-tag-header", tag)
    ctx.response_trailers["x-tag-trailer"] = ",".join(tags)
    if tags:
        del known["x-tag"]
    assert "x-tag" not in known
    known.clear()
    assert not known


def _failure(request: talk_pb2.FailRequest) -> ConnectError:
    detail = ErrorDetail(Duration(seconds=1))
    assert detail.type_name == "google.protobuf.Duration"
    known = detail.value(Duration)
    assert known is not None
    assert Duration.from_binary(detail.message_bytes).seconds == known.seconds == 1
    details = (Duration(seconds=request.code), detail)
    error = ConnectError(list(Code)[request.code - 1], request.message, details)
    assert (error.message, len(error.details)) == (request.message, 2)
    return error


class Talk(TalkService):
    """Asynchronous."""

    async def say(self, request: talk_pb2.SayRequest, ctx: Context, /) -> talk_pb2.SayResponse:
        """Say what is known of the call."""
        _tagged(ctx)
        return talk_pb2.SayResponse(sentence=f"{request.sentence}: {_described(ctx)}")

    async def look(self, _request: talk_pb2.LookRequest, ctx: Context, /) -> talk_pb2.LookResponse:
        """Be called by GET."""
        assert ctx.http_method == "GET"
        assert ctx.method.idempotency_level is IdempotencyLevel.NO_SIDE_EFFECTS
        return talk_pb2.LookResponse(state=talk_pb2.STATE_FINISHED)

    async def count(
        self, request: talk_pb2.CountRequest, ctx: Context, /
    ) -> AsyncIterator[talk_pb2.CountResponse]:
        """Count."""
        _tagged(ctx)
        for number in range(1, request.up_to + 1):
            yield talk_pb2.CountResponse(number=number)

    async def sum(self, request: AsyncIterator[talk_pb2.SumRequest], ctx: Context, /) -> talk_pb2.SumResponse:
        """Add up."""
        _tagged(ctx)
        return talk_pb2.SumResponse(total=sum([message.number async for message in request]))

    async def converse(
        self, request: AsyncIterator[talk_pb2.ConverseRequest], ctx: Context, /
    ) -> AsyncIterator[talk_pb2.ConverseResponse]:
        """Answer each."""
        _tagged(ctx)
        async for message in request:
            yield talk_pb2.ConverseResponse(sentence=f"You said {message.sentence}")

    async def fail(self, request: talk_pb2.FailRequest, _ctx: Context, /) -> talk_pb2.FailResponse:
        """Fail."""
        if not request.code:
            raise ZeroDivisionError("what nobody is told")
        raise _failure(request)


class TalkSync(TalkServiceSync):
    """Blocking."""

    def say(self, request: talk_pb2.SayRequest, ctx: Context, /) -> talk_pb2.SayResponse:
        """Say what is known of the call."""
        _tagged(ctx)
        return talk_pb2.SayResponse(sentence=f"{request.sentence}: {_described(ctx)}")

    def look(self, _request: talk_pb2.LookRequest, ctx: Context, /) -> talk_pb2.LookResponse:
        """Be called by GET."""
        assert ctx.http_method == "GET"
        return talk_pb2.LookResponse(state=talk_pb2.STATE_FINISHED)

    def count(self, request: talk_pb2.CountRequest, ctx: Context, /) -> Iterator[talk_pb2.CountResponse]:
        """Count."""
        _tagged(ctx)
        for number in range(1, request.up_to + 1):
            yield talk_pb2.CountResponse(number=number)

    def sum(self, request: Iterator[talk_pb2.SumRequest], ctx: Context, /) -> talk_pb2.SumResponse:
        """Add up."""
        _tagged(ctx)
        return talk_pb2.SumResponse(total=sum(message.number for message in request))

    def converse(
        self, request: Iterator[talk_pb2.ConverseRequest], ctx: Context, /
    ) -> Iterator[talk_pb2.ConverseResponse]:
        """Answer each."""
        _tagged(ctx)
        for message in request:
            yield talk_pb2.ConverseResponse(sentence=f"You said {message.sentence}")

    def fail(self, request: talk_pb2.FailRequest, _ctx: Context, /) -> talk_pb2.FailResponse:
        """Fail."""
        if not request.code:
            raise ZeroDivisionError("what nobody is told")
        raise _failure(request)


class Guard:
    """A metadata interceptor, asynchronous and blocking."""

    async def on_start(self, ctx: Context) -> str:
        """Refuse strangers."""
        return self.on_start_sync(ctx)

    async def on_end(self, token: str, ctx: Context, error: Exception | None, /) -> None:
        """Leave a trace."""
        self.on_end_sync(token, ctx, error)

    def on_start_sync(self, ctx: Context) -> str:
        """Refuse strangers."""
        if "x-stranger" in ctx.request_headers:
            raise ConnectError(Code.UNAUTHENTICATED, "strangers are not served")
        return "token"

    def on_end_sync(self, token: str, ctx: Context, error: Exception | None, /) -> None:
        """Leave a trace."""
        ctx.response_trailers["x-guarded"] = f"{token} {error is None}"


class Shout:
    """A message interceptor of every kind, asynchronous and blocking."""

    async def intercept_unary(
        self, call_next: Callable[[Any, Context], Awaitable[Any]], request: Any, ctx: Context, /
    ) -> Any:
        """Shout."""
        return _shouted(await call_next(request, ctx))

    async def intercept_client_stream(
        self,
        call_next: Callable[[Any, Context], Awaitable[Any]],
        request: AsyncIterator[Any],
        ctx: Context,
        /,
    ) -> Any:
        """Count twice."""
        return await call_next(_doubled(request), ctx)

    def intercept_server_stream(
        self, call_next: Callable[[Any, Context], AsyncIterator[Any]], request: Any, ctx: Context, /
    ) -> AsyncIterator[Any]:
        """Double."""
        return _doubled(call_next(request, ctx))

    def intercept_bidi_stream(
        self,
        call_next: Callable[[Any, Context], AsyncIterator[Any]],
        request: AsyncIterator[Any],
        ctx: Context,
        /,
    ) -> AsyncIterator[Any]:
        """Double both ways."""
        return _doubled(call_next(_doubled(request), ctx))

    def intercept_unary_sync(
        self, call_next: Callable[[Any, Context], Any], request: Any, ctx: Context, /
    ) -> Any:
        """Shout."""
        return _shouted(call_next(request, ctx))

    def intercept_client_stream_sync(
        self, call_next: Callable[[Any, Context], Any], request: Iterator[Any], ctx: Context, /
    ) -> Any:
        """Count twice."""
        return call_next(_doubled_sync(request), ctx)

    def intercept_server_stream_sync(
        self, call_next: Callable[[Any, Context], Iterator[Any]], request: Any, ctx: Context, /
    ) -> Iterator[Any]:
        """Double."""
        return _doubled_sync(call_next(request, ctx))

    def intercept_bidi_stream_sync(
        self, call_next: Callable[[Any, Context], Iterator[Any]], request: Iterator[Any], ctx: Context, /
    ) -> Iterator[Any]:
        """Double both ways."""
        return _doubled_sync(call_next(_doubled_sync(request), ctx))


def _shouted(response: Any) -> Any:
    if isinstance(response, talk_pb2.SayResponse):
        response.sentence = response.sentence.upper()
    return response


async def _doubled(messages: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for message in messages:
        yield message
        yield message


def _doubled_sync(messages: Iterator[Any]) -> Iterator[Any]:
    for message in messages:
        yield message
        yield message


KINDS = (
    MetadataInterceptor,
    UnaryInterceptor,
    ClientStreamInterceptor,
    ServerStreamInterceptor,
    BidiStreamInterceptor,
    MetadataInterceptorSync,
    UnaryInterceptorSync,
    ClientStreamInterceptorSync,
    ServerStreamInterceptorSync,
    BidiStreamInterceptorSync,
)
assert [isinstance(Guard(), kind) for kind in KINDS].count(True) == 2
assert [isinstance(Shout(), kind) for kind in KINDS].count(True) == 8
assert [protocol.name for protocol in ProtocolType] == ["CONNECT", "GRPC", "GRPC_WEB"]

interceptors: list[Interceptor] = [Guard(), Shout()]
interceptors_sync: list[InterceptorSync] = [Guard(), Shout()]


async def _started() -> Any:
    service = Talk()
    try:
        yield service
    finally:
        del service


compressions: list[Compression] = [GzipCompression(), BrotliCompression(), ZstdCompression()]

application = TalkServiceASGIApplication(
    _started(),
    interceptors=interceptors,
    read_max_bytes=DEFAULT_READ_MAX_BYTES // 4096,
    compressions=compressions,
    codecs=google_protobuf_codecs(),
)

application_sync = TalkServiceWSGIApplication(
    TalkSync(),
    interceptors=interceptors_sync,
    read_max_bytes=DEFAULT_READ_MAX_BYTES // 4096,
    compressions=compressions,
    codecs=[google_protobuf_binary_codec(), google_protobuf_json_codec(ignore_unknown_fields=False)],
)


class Mirrored:
    """A codec and a compression of the application's own: both turn everything round."""

    def name(self) -> str:
        """As in headers."""
        return "mirrored"

    def encode(self, message: StringValue) -> bytes:
        """Text, turned round."""
        return message.value.encode()[::-1]

    def decode(self, data: bytes | bytearray, message_class: type[StringValue]) -> StringValue:
        """Back."""
        return message_class(value=bytes(data)[::-1].decode())

    def compress(self, data: bytes | bytearray | memoryview) -> bytes:
        """Turned round."""
        return bytes(data)[::-1]

    def decompress(self, data: bytes | bytearray | memoryview, read_max_bytes: int | None = None) -> bytes:
        """Back."""
        if read_max_bytes is not None and len(data) > read_max_bytes:
            raise ConnectError(Code.RESOURCE_EXHAUSTED, "too large")
        return bytes(data)[::-1]


codec: Codec[Any, Any] = Mirrored()
compression: Compression = Mirrored()


def _method(name: str, kind: StreamType) -> MethodInfo[StringValue, StringValue]:
    return MethodInfo(
        name=name,
        service_name="hand.v1.Written",
        input=StringValue,
        output=StringValue,
        idempotency_level=IdempotencyLevel.IDEMPOTENT,
        stream_type=kind,
    )


METHODS = {kind: _method(kind.name.title(), kind) for kind in StreamType}


class Written(ConnectASGIApplication["Written"]):
    """An application without generated code."""

    def __init__(self) -> None:
        super().__init__(
            service=self, endpoints=Written._endpoints_of, codecs=[codec], compressions=[compression]
        )

    @property
    def path(self) -> str:
        """Where it is."""
        return "/hand.v1.Written"

    def _endpoints_of(self) -> Mapping[str, Any]:
        return {
            f"{self.path}/Unary": Endpoint.unary(METHODS[StreamType.UNARY], self._unary),
            f"{self.path}/Client": Endpoint.client_stream(METHODS[StreamType.CLIENT_STREAM], self._client),
            f"{self.path}/Server": Endpoint.server_stream(METHODS[StreamType.SERVER_STREAM], self._server),
            f"{self.path}/Bidi": Endpoint.bidi_stream(METHODS[StreamType.BIDI_STREAM], self._bidi),
        }

    async def _unary(self, request: StringValue, _ctx: Context) -> StringValue:
        return request

    async def _client(self, request: AsyncIterator[StringValue], _ctx: Context) -> StringValue:
        return StringValue(value="".join([message.value async for message in request]))

    async def _server(self, request: StringValue, _ctx: Context) -> AsyncIterator[StringValue]:
        for letter in request.value:
            yield StringValue(value=letter)

    async def _bidi(self, request: AsyncIterator[StringValue], _ctx: Context) -> AsyncIterator[StringValue]:
        async for message in request:
            yield message


class WrittenSync(ConnectWSGIApplication):
    """The same, blocking."""

    def __init__(self) -> None:
        endpoints: dict[str, Any] = {
            f"{self.path}/Unary": EndpointSync.unary(method=METHODS[StreamType.UNARY], function=self._unary),
            f"{self.path}/Client": EndpointSync.client_stream(
                method=METHODS[StreamType.CLIENT_STREAM], function=self._client
            ),
            f"{self.path}/Server": EndpointSync.server_stream(
                method=METHODS[StreamType.SERVER_STREAM], function=self._server
            ),
            f"{self.path}/Bidi": EndpointSync.bidi_stream(
                method=METHODS[StreamType.BIDI_STREAM], function=self._bidi
            ),
        }
        super().__init__(endpoints=endpoints, codecs=[codec], compressions=[compression])

    @property
    def path(self) -> str:
        """Where it is."""
        return "/hand.v1.Written"

    def _unary(self, request: StringValue, _ctx: Context) -> StringValue:
        return request

    def _client(self, request: Iterator[StringValue], _ctx: Context) -> StringValue:
        return StringValue(value="".join(message.value for message in request))

    def _server(self, request: StringValue, _ctx: Context) -> Iterator[StringValue]:
        for letter in request.value:
            yield StringValue(value=letter)

    def _bidi(self, request: Iterator[StringValue], _ctx: Context) -> Iterator[StringValue]:
        yield from request


written = Written()
written_sync = WrittenSync()


def _by_hand() -> Context:
    """A context, as tests of handlers make one."""
    ctx: Context = RequestContext(
        method=METHODS[StreamType.UNARY],
        http_method="POST",
        request_headers=Headers({"x-tag": "1"}),
        timeout_ms=1000,
        server_address="here:1",
        client_address="there:2",
    )
    assert ctx.timeout_ms is not None
    return ctx


assert _by_hand().request_headers["X-Tag"] == "1"
