"""The talk service on threads: `landbridge serve examples.talk_sync:application`."""

import threading
import time
from collections.abc import Iterator
from typing import Any

from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.request import RequestContext
from talk.v1 import talk_pb2
from talk.v1.talk_connect import TalkServiceSync, TalkServiceWSGIApplication

Context = RequestContext[Any, Any]

CODES = list(Code)
"""In the order of their numbers in gRPC, which begin at one."""


class Talk(TalkServiceSync):
    """One method for every kind of call."""

    def __init__(self) -> None:
        self._states: dict[str, talk_pb2.State] = {}
        self._state_changed = threading.Condition()

    def say(self, request: talk_pb2.SayRequest, ctx: Context, /) -> talk_pb2.SayResponse:
        """Answer one sentence, and send the caller's tags back."""
        for tag in ctx.request_headers.getall("x-tag"):
            ctx.response_headers.add("x-tag-header", tag)
            ctx.response_trailers.add("x-tag-trailer", tag)
        time.sleep(request.delay_ms / 1000)
        return talk_pb2.SayResponse(
            sentence=f"You said: {request.sentence}",
            padding=bytes(request.padding_bytes),
            letters=len(request.sentence),
        )

    def look(self, request: talk_pb2.LookRequest, _ctx: Context, /) -> talk_pb2.LookResponse:
        """Tell what became of a `count`."""
        with self._state_changed:
            if request.until_ended:
                self._state_changed.wait_for(lambda: self._has_ended(request.name), 10)
            return talk_pb2.LookResponse(state=self._states.get(request.name, talk_pb2.STATE_UNSPECIFIED))

    def count(self, request: talk_pb2.CountRequest, _ctx: Context, /) -> Iterator[talk_pb2.CountResponse]:
        """Count up to a number. For a caller who has gone away, the next `yield` ends this."""
        state = talk_pb2.STATE_CANCELLED
        self._set(request.name, talk_pb2.STATE_RUNNING)
        try:
            for number in range(1, request.up_to + 1):
                if number > 1:
                    time.sleep(request.delay_ms / 1000)
                yield talk_pb2.CountResponse(number=number)
            state = talk_pb2.STATE_FINISHED
        finally:
            self._set(request.name, state)

    def sum(self, request: Iterator[talk_pb2.SumRequest], _ctx: Context, /) -> talk_pb2.SumResponse:
        """Add up all numbers."""
        return talk_pb2.SumResponse(total=sum(message.number for message in request))

    def converse(
        self, request: Iterator[talk_pb2.ConverseRequest], _ctx: Context, /
    ) -> Iterator[talk_pb2.ConverseResponse]:
        """Answer every sentence as it comes."""
        for message in request:
            yield talk_pb2.ConverseResponse(sentence=f"You said: {message.sentence}")

    def fail(self, request: talk_pb2.FailRequest, ctx: Context, /) -> talk_pb2.FailResponse:
        """Fail as asked."""
        ctx.response_trailers.add("x-tag-trailer", "failed")
        raise _failure(request)

    def count_and_fail(
        self, request: talk_pb2.CountAndFailRequest, _ctx: Context, /
    ) -> Iterator[talk_pb2.CountResponse]:
        """Count, then fail as asked."""
        for number in range(1, request.up_to + 1):
            yield talk_pb2.CountResponse(number=number)
        raise _failure(request.failure)

    def _has_ended(self, name: str) -> bool:
        return self._states.get(name) in (talk_pb2.STATE_FINISHED, talk_pb2.STATE_CANCELLED)

    def _set(self, name: str, state: talk_pb2.State) -> None:
        with self._state_changed:
            self._states[name] = state
            self._state_changed.notify_all()


def _failure(request: talk_pb2.FailRequest) -> ConnectError:
    reason = talk_pb2.Reason(text=f"because of {request.message}")
    return ConnectError(CODES[request.code - 1], request.message, [reason])


application = TalkServiceWSGIApplication(Talk())
