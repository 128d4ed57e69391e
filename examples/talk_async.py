"""The talk service on an event loop: `landbridge serve examples.talk_async:application`."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.request import RequestContext
from talk.v1 import talk_pb2
from talk.v1.talk_connect import TalkService, TalkServiceASGIApplication

Context = RequestContext[Any, Any]

CODES = list(Code)
"""In the order of their numbers in gRPC, which begin at one."""


class Talk(TalkService):
    """One method for every kind of call."""

    def __init__(self) -> None:
        self._states: dict[str, talk_pb2.State] = {}
        self._state_changed = asyncio.Condition()

    async def say(self, request: talk_pb2.SayRequest, ctx: Context, /) -> talk_pb2.SayResponse:
        """Answer one sentence, and send the caller's tags back."""
        for tag in ctx.request_headers.getall("x-tag"):
            ctx.response_headers.add("x-tag-header", tag)
            ctx.response_trailers.add("x-tag-trailer", tag)
        await asyncio.sleep(request.delay_ms / 1000)
        return talk_pb2.SayResponse(
            sentence=f"You said: {request.sentence}",
            padding=bytes(request.padding_bytes),
            letters=len(request.sentence),
        )

    async def look(self, request: talk_pb2.LookRequest, _ctx: Context, /) -> talk_pb2.LookResponse:
        """Tell what became of a `count`."""
        async with self._state_changed:
            if request.until_ended:
                await asyncio.wait_for(
                    self._state_changed.wait_for(lambda: self._has_ended(request.name)), 10
                )
        return talk_pb2.LookResponse(state=self._states.get(request.name, talk_pb2.STATE_UNSPECIFIED))

    async def count(
        self, request: talk_pb2.CountRequest, _ctx: Context, /
    ) -> AsyncIterator[talk_pb2.CountResponse]:
        """Count up to a number. A caller who goes away cancels this at its `await` or `yield`."""
        state = talk_pb2.STATE_CANCELLED
        self._states[request.name] = talk_pb2.STATE_RUNNING
        try:
            for number in range(1, request.up_to + 1):
                if number > 1:
                    await asyncio.sleep(request.delay_ms / 1000)
                yield talk_pb2.CountResponse(number=number)
            state = talk_pb2.STATE_FINISHED
        finally:
            self._states[request.name] = state
            asyncio.get_running_loop().create_task(self._tell())

    async def sum(
        self, request: AsyncIterator[talk_pb2.SumRequest], _ctx: Context, /
    ) -> talk_pb2.SumResponse:
        """Add up all numbers."""
        total = 0
        async for message in request:
            total += message.number
        return talk_pb2.SumResponse(total=total)

    async def converse(
        self, request: AsyncIterator[talk_pb2.ConverseRequest], _ctx: Context, /
    ) -> AsyncIterator[talk_pb2.ConverseResponse]:
        """Answer every sentence as it comes."""
        async for message in request:
            yield talk_pb2.ConverseResponse(sentence=f"You said: {message.sentence}")

    async def fail(self, request: talk_pb2.FailRequest, ctx: Context, /) -> talk_pb2.FailResponse:
        """Fail as asked."""
        ctx.response_trailers.add("x-tag-trailer", "failed")
        raise _failure(request)

    async def count_and_fail(
        self, request: talk_pb2.CountAndFailRequest, _ctx: Context, /
    ) -> AsyncIterator[talk_pb2.CountResponse]:
        """Count, then fail as asked."""
        for number in range(1, request.up_to + 1):
            yield talk_pb2.CountResponse(number=number)
        raise _failure(request.failure)

    def _has_ended(self, name: str) -> bool:
        return self._states.get(name) in (talk_pb2.STATE_FINISHED, talk_pb2.STATE_CANCELLED)

    async def _tell(self) -> None:
        async with self._state_changed:
            self._state_changed.notify_all()


def _failure(request: talk_pb2.FailRequest) -> ConnectError:
    reason = talk_pb2.Reason(text=f"because of {request.message}")
    return ConnectError(CODES[request.code - 1], request.message, [reason])


async def _service() -> Any:
    """Make the service in the event loop that it runs in."""
    yield Talk()


application = TalkServiceASGIApplication(_service())
