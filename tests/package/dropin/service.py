"""A talk service that uses every part of Connect-Python's server API, in google mode."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from connectrpc.code import Code
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_codecs, google_protobuf_json_codec
from connectrpc.compression.brotli import BrotliCompression
from connectrpc.compression.gzip import GzipCompression
from connectrpc.compression.zstd import ZstdCompression
from connectrpc.errors import ConnectError, ErrorDetail
from connectrpc.interceptor import MetadataInterceptor, UnaryInterceptor
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import Headers, RequestContext
from connectrpc.server import DEFAULT_READ_MAX_BYTES, Endpoint, EndpointSync
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
    assert ctx.server_address is not None
    assert ctx.client_address is not None
    has_time = ctx.timeout_ms is not None and ctx.timeout_ms > 0
    return f"{method.service_name}/{method.name} by {ctx.http_method}, time: {has_time}"


def _failure(request: talk_pb2.FailRequest) -> ConnectError:
    detail = ErrorDetail(Duration(seconds=1))
    assert detail.type_name == "google.protobuf.Duration"
    details = (Duration(seconds=request.code), detail)
    return ConnectError(list(Code)[request.code - 1], request.message, details)


class Talk(TalkService):
    """Asynchronous."""

    async def say(self, request: talk_pb2.SayRequest, ctx: Context, /) -> talk_pb2.SayResponse:
        """Say what is known of the call."""
        tags = Headers(list(ctx.request_headers.allitems())).getall("x-tag")
        for tag in tags:
            ctx.response_headers.add("x-tag-header", tag)
        ctx.response_trailers["x-tag-trailer"] = ",".join(tags)
        return talk_pb2.SayResponse(sentence=f"{request.sentence}: {_described(ctx)}")

    async def look(self, _request: talk_pb2.LookRequest, ctx: Context, /) -> talk_pb2.LookResponse:
        """Be called by GET."""
        assert ctx.http_method == "GET"
        return talk_pb2.LookResponse(state=talk_pb2.STATE_FINISHED)

    async def count(
        self, request: talk_pb2.CountRequest, _ctx: Context, /
    ) -> AsyncIterator[talk_pb2.CountResponse]:
        """Count."""
        for number in range(1, request.up_to + 1):
            yield talk_pb2.CountResponse(number=number)

    async def sum(
        self, request: AsyncIterator[talk_pb2.SumRequest], _ctx: Context, /
    ) -> talk_pb2.SumResponse:
        """Add up."""
        return talk_pb2.SumResponse(total=sum([message.number async for message in request]))

    async def fail(self, request: talk_pb2.FailRequest, _ctx: Context, /) -> talk_pb2.FailResponse:
        """Fail."""
        raise _failure(request)


class TalkSync(TalkServiceSync):
    """Blocking."""

    def say(self, request: talk_pb2.SayRequest, ctx: Context, /) -> talk_pb2.SayResponse:
        """Say what is known of the call."""
        ctx.response_headers["x-sync"] = "1"
        return talk_pb2.SayResponse(sentence=f"{request.sentence}: {_described(ctx)}")

    def count(self, request: talk_pb2.CountRequest, _ctx: Context, /) -> Iterator[talk_pb2.CountResponse]:
        """Count."""
        for number in range(1, request.up_to + 1):
            yield talk_pb2.CountResponse(number=number)

    def fail(self, request: talk_pb2.FailRequest, _ctx: Context, /) -> talk_pb2.FailResponse:
        """Fail."""
        raise _failure(request)


class Guard:
    """A metadata interceptor."""

    async def on_start(self, ctx: Context) -> str:
        """Refuse strangers."""
        if "x-stranger" in ctx.request_headers:
            raise ConnectError(Code.UNAUTHENTICATED, "strangers are not served")
        return "token"

    async def on_end(self, token: str, ctx: Context, error: Exception | None, /) -> None:
        """Leave a trace."""
        ctx.response_trailers["x-guarded"] = f"{token} {error is None}"


class Shout:
    """A message interceptor."""

    async def intercept_unary(
        self, call_next: Callable[[Any, Context], Awaitable[Any]], request: Any, ctx: Context, /
    ) -> Any:
        """Shout."""
        response = await call_next(request, ctx)
        if isinstance(response, talk_pb2.SayResponse):
            response.sentence = response.sentence.upper()
        return response

    def intercept_server_stream(
        self, call_next: Callable[[Any, Context], AsyncIterator[Any]], request: Any, ctx: Context, /
    ) -> AsyncIterator[Any]:
        """Double."""
        return _doubled(call_next(request, ctx))


async def _doubled(responses: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for response in responses:
        yield response
        yield response


async def _started() -> Any:
    yield Talk()


assert isinstance(Guard(), MetadataInterceptor)
assert isinstance(Shout(), UnaryInterceptor)
assert len({Endpoint, EndpointSync}) == 2

application = TalkServiceASGIApplication(
    _started(),
    interceptors=[Guard(), Shout()],
    read_max_bytes=DEFAULT_READ_MAX_BYTES // 4096,
    compressions=[GzipCompression(), BrotliCompression(), ZstdCompression()],
    codecs=google_protobuf_codecs(),
)

application_sync = TalkServiceWSGIApplication(
    TalkSync(), codecs=[google_protobuf_binary_codec(), google_protobuf_json_codec()]
)
