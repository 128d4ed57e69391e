"""How threads run the interceptors around a stream: the one that receives, or one of the stream's own."""

from __future__ import annotations

import threading
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from landbridge._core import PENDING
from landbridge._headers import Headers
from landbridge.client._endings import given_up
from landbridge.client._intercepted import Intercepted, NobodyTakesError, Way, on_the_wire
from landbridge.client._streams_sync import Conversation, WireConversation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from landbridge.client._blocking import ConnectClientSync
    from landbridge.client._context import CallContext
    from landbridge.client._operation import Operation


class SyncIntercepted(Intercepted, Conversation):
    """The interceptors run where the response is received.

    Where something is wanted before that, to send a message or to see the head of the response, a thread of
    the call's own runs them, one message ahead of the reader.
    """

    _wire: WireConversation | None

    def __init__(
        self, client: ConnectClientSync, operation: Operation, request: Any, ctx: CallContext
    ) -> None:
        super().__init__(client, operation, request, ctx)
        self._outgoing: SyncWay | None = None
        self._incoming = SyncWay()
        self._responses: Iterator[Any] | None = None
        self._worker: threading.Thread | None = None
        self._reached = threading.Event()
        self._runs_here = False
        self._changing = threading.Lock()

    def begin(self) -> None:
        with self._changing:
            if self._responses is not None:
                return
            if self._is_given_up:
                raise given_up()
            if self._given is None:
                self._outgoing = SyncWay()
                request: Any = _queued(self._outgoing)
            else:
                request = self._given
            function = self._around(_answer, _responses)
            self._responses = _all_responses(function, request, self._ctx, gets_one=self._gets_one)
            if self._outgoing is not None:
                self._start_worker(self._responses)

    def _start_worker(self, responses: Iterator[Any]) -> None:
        self._worker = threading.Thread(
            target=copy_context().run,
            args=(self._run, responses),
            name="landbridge-interceptors",
            daemon=True,
        )
        self._worker.start()

    def _run(self, responses: Iterator[Any]) -> None:
        """All that the interceptors do, from their start to their end."""
        end: BaseException = self._no_more()
        try:
            for response in responses:
                self._incoming.put(response)
        except NobodyTakesError:
            end = given_up()
        except BaseException as error:
            end = error
        try:
            # Where nobody takes what they have, they are told so.
            _close(responses)
        except BaseException as error:
            end = error
        self._incoming.end(end)
        if self._outgoing is not None:
            self._outgoing.close()
        self._reached.set()

    def make(self, request: Any) -> WireConversation:
        """The call itself, which the innermost function makes."""
        ctx = self._ctx
        wire = WireConversation(self._client, self._operation, request, ctx.lines(), ctx.timeout_ms, ctx)
        wire.begin()
        with self._changing:
            self._wire = wire
            is_late = self._is_given_up
        if is_late:
            wire.cancel()
        self._reached.set()
        return wire

    def receive(self) -> Any:
        self.begin()
        with self._changing:
            # Whoever has begun goes on with it.
            self._runs_here = self._worker is None
        if not self._runs_here:
            return self._incoming.get()
        # Made where it begins.
        assert self._responses is not None
        try:
            return next(self._responses)
        except StopIteration:
            raise self._no_more() from None
        finally:
            self._reached.set()

    def only(self) -> Any:
        return self.receive()

    def send(self, message: Any) -> None:
        try:
            self._sending().put(message)
        except NobodyTakesError:
            raise self._nobody_takes() from None

    def close_send(self) -> None:
        self._sending().end(EOFError("the request was ended and takes no more messages"))

    def headers(self) -> Headers:
        self.begin()
        with self._changing:
            if self._wire is None and not self._runs_here and self._worker is None:
                # Made where it begins.
                assert self._responses is not None
                self._start_worker(self._responses)
        self._reached.wait()
        if self._wire is not None:
            return self._wire.headers()
        # The interceptors have done without a call.
        self._incoming.check()
        return Headers()

    def cancel(self) -> None:
        with self._changing:
            self._is_given_up = True
            wire = self._wire
        if wire is not None:
            wire.cancel()
        self._incoming.close()
        if self._outgoing is not None:
            self._outgoing.end(given_up())

    def close(self) -> None:
        self.cancel()
        if self._worker is None and self._responses is not None:
            # One that another thread is in ends by the cancellation.
            with suppress(ValueError):
                _close(self._responses)


class SyncWay(Way):
    """From one thread to another. The lock lets the same thread in again, as that of `SyncCarriedCall`."""

    __slots__ = ("_changed", "_lock", "_tell")

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._tell = self._changed.notify_all

    def put(self, message: Any) -> None:
        """As `offer`; waits for room."""
        with self._lock:
            while not self.offer(message):
                self._changed.wait()

    def get(self) -> Any:
        """As `take`; waits for a message."""
        with self._lock:
            while (message := self.take()) is PENDING:
                self._changed.wait()
            return message

    def end(self, end: BaseException) -> None:
        with self._lock:
            super().end(end)

    def close(self) -> None:
        with self._lock:
            super().close()


def _close(iterator: Any) -> None:
    close = getattr(iterator, "close", None)
    if close is not None:
        close()


def _all_responses(function: Any, request: Any, ctx: CallContext, *, gets_one: bool) -> Iterator[Any]:
    responses = function(request, ctx)
    if gets_one:
        yield responses
    else:
        yield from responses


def _answer(request: Any, ctx: CallContext) -> Any:
    return on_the_wire(request, ctx).only()


def _responses(request: Any, ctx: CallContext) -> Iterator[Any]:
    call = on_the_wire(request, ctx)
    try:
        while True:
            try:
                response = call.receive()
            except EOFError:
                return
            yield response
    finally:
        call.close()


def _queued(outgoing: SyncWay) -> Iterator[Any]:
    try:
        while True:
            try:
                message = outgoing.get()
            except EOFError:
                return
            yield message
    finally:
        outgoing.close()
