"""The demo's service on Connect-Python, for uvicorn and pyvoy."""

from collections.abc import AsyncIterator
from typing import Any

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.request import RequestContext
from talk.v1 import talk_pb2
from talk.v1.talk_connect import TalkService, TalkServiceASGIApplication

Context = RequestContext[Any, Any]


class _Talk(TalkService):
    """The part of the service that clients are tested by."""

    async def say(self, request: talk_pb2.SayRequest, ctx: Context, /) -> talk_pb2.SayResponse:
        if tag := ctx.request_headers.get("x-tag"):
            ctx.response_headers["x-tag-header"] = tag
            ctx.response_trailers["x-tag-trailer"] = tag
        return talk_pb2.SayResponse(sentence=f"You said: {request.sentence}")

    async def count(
        self, request: talk_pb2.CountRequest, _ctx: Context, /
    ) -> AsyncIterator[talk_pb2.CountResponse]:
        for number in range(1, request.up_to + 1):
            yield talk_pb2.CountResponse(number=number)

    async def sum(
        self, request: AsyncIterator[talk_pb2.SumRequest], _ctx: Context, /
    ) -> talk_pb2.SumResponse:
        return talk_pb2.SumResponse(total=sum([message.number async for message in request]))

    async def converse(
        self, request: AsyncIterator[talk_pb2.ConverseRequest], _ctx: Context, /
    ) -> AsyncIterator[talk_pb2.ConverseResponse]:
        async for message in request:
            yield talk_pb2.ConverseResponse(sentence=f"You said: {message.sentence}")

    async def fail(self, request: talk_pb2.FailRequest, _ctx: Context, /) -> talk_pb2.FailResponse:
        raise ConnectError(Code.NOT_FOUND, request.message)


application = TalkServiceASGIApplication(_Talk())
