"""A program that uses every part of Connect-Python's client API, in google mode. Prints what it has seen."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from connectrpc.client import ConnectClient, ConnectClientSync, ResponseMetadata
from connectrpc.code import Code
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.compression.brotli import BrotliCompression
from connectrpc.compression.gzip import GzipCompression
from connectrpc.compression.zstd import ZstdCompression
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.protocol import ProtocolType
from connectrpc.request import Headers, RequestContext
from protobuf.wkt import Duration
from talk.v1 import talk_pb2
from talk.v1.talk_connect import TalkServiceClient, TalkServiceClientSync

Context = RequestContext[Any, Any]

SEEN: dict[str, Any] = {}
SAY = MethodInfo(
    name="Say",
    service_name="talk.v1.TalkService",
    input=talk_pb2.SayRequest,
    output=talk_pb2.SayResponse,
    idempotency_level=IdempotencyLevel.UNKNOWN,
    stream_type=StreamType.UNARY,
)


class Tagging:
    """A message interceptor of every kind."""

    async def intercept_unary(
        self, call_next: Callable[[Any, Context], Awaitable[Any]], request: Any, ctx: Context, /
    ) -> Any:
        """Add a tag, and look at the call."""
        ctx.request_headers.add("x-tag", "intercepted")
        assert ctx.method.service_name == "talk.v1.TalkService"
        assert ctx.http_method in {"GET", "POST"}
        return await call_next(request, ctx)

    def intercept_server_stream(
        self, call_next: Callable[[Any, Context], AsyncIterator[Any]], request: Any, ctx: Context, /
    ) -> AsyncIterator[Any]:
        """Halve: the service doubles."""
        return _every_other(call_next(request, ctx))

    async def intercept_client_stream(
        self,
        call_next: Callable[[AsyncIterator[Any], Context], Awaitable[Any]],
        request: AsyncIterator[Any],
        ctx: Context,
        /,
    ) -> Any:
        """Send everything twice."""
        return await call_next(_twice(request), ctx)

    def intercept_unary_sync(
        self, call_next: Callable[[Any, Context], Any], request: Any, ctx: Context, /
    ) -> Any:
        """Add a tag."""
        ctx.request_headers.add("x-tag", "intercepted")
        return call_next(request, ctx)


class Watching:
    """A metadata interceptor."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def on_start(self, ctx: Context) -> str:
        """Remember."""
        return ctx.method.name

    async def on_end(self, token: str, _ctx: Context, error: Exception | None, /) -> None:
        """Note down."""
        self.seen.append(f"{token}: {error.code.value if isinstance(error, ConnectError) else error}")

    def on_start_sync(self, ctx: Context) -> str:
        """Remember."""
        return ctx.method.name

    def on_end_sync(self, token: str, _ctx: Context, error: Exception | None, /) -> None:
        """Note down."""
        self.seen.append(f"{token}: {error.code.value if isinstance(error, ConnectError) else error}")


async def _every_other(responses: AsyncIterator[Any]) -> AsyncIterator[Any]:
    is_wanted = True
    async for response in responses:
        if is_wanted:
            yield response
        is_wanted = not is_wanted


async def _twice(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield request
        yield request


async def _numbers(*numbers: int) -> AsyncIterator[talk_pb2.SumRequest]:
    for number in numbers:
        yield talk_pb2.SumRequest(number=number)


def _numbers_sync(*numbers: int) -> Iterator[talk_pb2.SumRequest]:
    for number in numbers:
        yield talk_pb2.SumRequest(number=number)


def _told(error: ConnectError) -> Any:
    details = [(detail.type_name, detail.message_bytes.hex()) for detail in error.details]
    value = error.details[0].value(Duration) if error.details else None
    return [error.code.value, details, None if value is None else value.seconds]


async def _asynchronous(address: str) -> None:
    watching = Watching()
    async with TalkServiceClient(
        address,
        codec=google_protobuf_binary_codec(),
        protocol=ProtocolType.CONNECT,
        accept_compression=[GzipCompression(), BrotliCompression(), ZstdCompression()],
        send_compression=GzipCompression(),
        timeout_ms=10_000,
        read_max_bytes=1 << 20,
        interceptors=[watching, Tagging()],
    ) as client:
        assert isinstance(client, ConnectClient)
        with ResponseMetadata() as metadata:
            response = await client.say(
                talk_pb2.SayRequest(sentence="a"), headers=Headers([("x-tag", "own")]), timeout_ms=5000
            )
        SEEN["say"] = response.sentence
        SEEN["metadata"] = [
            metadata.http_status,
            list(metadata.headers.getall("x-tag-header")),
            metadata.trailers["x-tag-trailer"],
        ]
        state = (await client.look(talk_pb2.LookRequest(), use_get=True)).state
        SEEN["look"] = talk_pb2.State.Name(state)
        counted = client.count(talk_pb2.CountRequest(up_to=3), headers={"x-tag": "1"})
        SEEN["count"] = [number.number async for number in counted]
        SEEN["sum"] = (await client.sum(_numbers(1, 2, 3))).total
        for code in (5, 13):
            try:
                await client.fail(talk_pb2.FailRequest(code=code, message="gone"))
            except ConnectError as error:
                SEEN[f"fail {code}"] = [*_told(error), error.message]
        try:
            await client.say(talk_pb2.SayRequest(), headers={"x-stranger": "1"})
        except ConnectError as error:
            SEEN["stranger"] = [error.code is Code.UNAUTHENTICATED, error.message]
        by_hand = await client.execute_unary(request=talk_pb2.SayRequest(sentence="b"), method=SAY)
        SEEN["by hand"] = by_hand.sentence
    SEEN["watched"] = watching.seen
    async with TalkServiceClient(
        address, codec=google_protobuf_json_codec(), send_compression=None
    ) as client:
        SEEN["json"] = (await client.say(talk_pb2.SayRequest(sentence="c"))).sentence
    late = TalkServiceClient(address, timeout_ms=0)
    try:
        await late.say(talk_pb2.SayRequest())
    except ConnectError as error:
        SEEN["late"] = error.code.value
    await late.close()


def _blocking(address: str) -> None:
    watching = Watching()
    with TalkServiceClientSync(address, interceptors=[watching, Tagging()], timeout_ms=10_000) as client:
        assert isinstance(client, ConnectClientSync)
        with ResponseMetadata() as metadata:
            SEEN["say sync"] = client.say(talk_pb2.SayRequest(sentence="a")).sentence
        SEEN["metadata sync"] = [metadata.http_status, metadata.headers["x-tag-header"]]
        state = client.look(talk_pb2.LookRequest(), use_get=True).state
        SEEN["look sync"] = talk_pb2.State.Name(state)
        counted = client.count(talk_pb2.CountRequest(up_to=2))
        SEEN["count sync"] = [number.number for number in counted]
        SEEN["sum sync"] = client.sum(_numbers_sync(4, 5)).total
        try:
            client.fail(talk_pb2.FailRequest(code=9, message="é %"))
        except ConnectError as error:
            SEEN["fail sync"] = [*_told(error), error.message]
    SEEN["watched sync"] = watching.seen


if __name__ == "__main__":
    asyncio.run(_asynchronous(sys.argv[1]))
    _blocking(sys.argv[1])
    print(json.dumps(SEEN))
