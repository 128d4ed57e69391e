"""Streams of the blocking client with interceptors around them."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any
from weakref import ref

from landbridge._headers import Headers
from landbridge.client._endings import given_up
from landbridge.client._streams_sync import Conversation, Direct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from landbridge.client._blocking import ConnectClientSync
    from landbridge.client._context import CallContext
    from landbridge.client._operation import Operation


class Intercepted(Conversation):
    """Interceptors see iterators.

    They run where the response is received. Where something is wanted before that, to send a message or to
    see the head of the response, a thread of the call's own runs them, one message ahead of the reader.
    """

    def __init__(
        self, client: ConnectClientSync, operation: Operation, request: Any, ctx: CallContext
    ) -> None:
        self._client = client
        self._operation = operation
        self._ctx = ctx
        self._given = request
        self._outgoing: _Way | None = None
        self._incoming = _Way()
        self._direct: Direct | None = None
        self._responses: Iterator[Any] | None = None
        self._worker: threading.Thread | None = None
        self._reached = threading.Event()
        self._runs_here = False
        self._is_given_up = False
        self._changing = threading.Lock()

    @property
    def _gets_one(self) -> bool:
        return not self._operation.gives_stream

    def _function(self) -> Any:
        # One context belongs to one conversation; that is how the innermost function finds it. It does not
        # keep it, so that a stream that is dropped ends what is done for it.
        self._ctx.conversation = ref(self)
        return self._client._around(self._operation, _answer if self._gets_one else _responses)

    def begin(self) -> None:
        with self._changing:
            if self._responses is not None:
                return
            if self._is_given_up:
                raise given_up()
            if self._given is None:
                self._outgoing = _Way()
                request: Any = _queued(self._outgoing)
            else:
                request = self._given
            self._responses = _all_responses(self._function(), request, self._ctx, gets_one=self._gets_one)
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
        except _NobodyTakesError:
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

    def direct(self, request: Any) -> Direct:
        """The call itself, which the innermost function makes."""
        ctx = self._ctx
        direct = Direct(self._client, self._operation, request, ctx.lines(), ctx.timeout_ms, ctx)
        direct.begin()
        with self._changing:
            self._direct = direct
            is_late = self._is_given_up
        if is_late:
            direct.cancel()
        self._reached.set()
        return direct

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

    def _no_more(self) -> EOFError:
        return EOFError("the response was taken before" if self._gets_one else "the stream has ended")

    def only(self) -> Any:
        return self.receive()

    def send(self, message: Any) -> None:
        outgoing = self._sending()
        try:
            outgoing.put(message)
        except _NobodyTakesError:
            self._incoming.check()
            raise EOFError("the server has ended the call and takes no more messages") from None

    def close_send(self) -> None:
        self._sending().end(EOFError("the request was ended and takes no more messages"))

    def _sending(self) -> _Way:
        self.begin()
        if self._outgoing is None:
            raise RuntimeError("the messages of this call come from an iterator")
        return self._outgoing

    def headers(self) -> Headers:
        self.begin()
        with self._changing:
            if self._direct is None and not self._runs_here and self._worker is None:
                # Made where it begins.
                assert self._responses is not None
                self._start_worker(self._responses)
        self._reached.wait()
        if self._direct is not None:
            return self._direct.headers()
        # The interceptors have done without a call.
        self._incoming.check()
        return Headers()

    def trailers(self) -> Headers:
        if self._direct is None:
            raise RuntimeError("the trailers come with the end of the stream, which has not come")
        return self._direct.trailers()

    def cancel(self) -> None:
        with self._changing:
            self._is_given_up = True
            direct = self._direct
        if direct is not None:
            direct.cancel()
        self._incoming.close()
        if self._outgoing is not None:
            self._outgoing.end(given_up())

    def close(self) -> None:
        self.cancel()
        if self._worker is None and self._responses is not None:
            # One that another thread is in ends by the cancellation.
            with suppress(ValueError):
                _close(self._responses)


class _NobodyTakesError(Exception):
    """What is put in would not be taken out any more."""


class _Way:
    """Takes messages from one thread to another, one at a time. Either side may end it."""

    __slots__ = ("_changed", "_end", "_is_closed", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Any] = deque()
        self._end: BaseException | None = None
        self._is_closed = False
        self._changed = threading.Condition()

    def put(self, message: Any) -> None:
        """Wait for room. Raises what it was ended with, and `_NobodyTakesError` once it is closed."""
        with self._changed:
            while self._waiting and not self._is_closed and self._end is None:
                self._changed.wait()
            if self._end is not None:
                raise self._end
            if self._is_closed:
                raise _NobodyTakesError
            self._waiting.append(message)
            self._changed.notify_all()

    def end(self, end: BaseException) -> None:
        """No more is put in: `get` raises this after the last."""
        with self._changed:
            if self._end is None:
                self._end = end
                self._changed.notify_all()

    def get(self) -> Any:
        """Wait for a message, or the end."""
        with self._changed:
            while not self._waiting:
                if self._end is not None:
                    raise self._end
                self._changed.wait()
            self._changed.notify_all()
            return self._waiting.popleft()

    def close(self) -> None:
        """No more is taken out. What is left is dropped, and was not all then."""
        with self._changed:
            self._is_closed = True
            if self._waiting:
                self._waiting.clear()
                if self._end is not None:
                    self._end = given_up()
            self._changed.notify_all()

    def check(self) -> None:
        """Raise what went wrong, if it did."""
        if self._end is not None and not isinstance(self._end, EOFError):
            raise self._end


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


def _direct(request: Any, ctx: CallContext) -> Direct:
    conversation: Intercepted | None = ctx.conversation()
    if conversation is None:
        raise given_up()
    return conversation.direct(request)


def _answer(request: Any, ctx: CallContext) -> Any:
    return _direct(request, ctx).only()


def _responses(request: Any, ctx: CallContext) -> Iterator[Any]:
    direct = _direct(request, ctx)
    try:
        while True:
            try:
                response = direct.receive()
            except EOFError:
                return
            yield response
    finally:
        direct.close()


def _queued(outgoing: _Way) -> Iterator[Any]:
    try:
        while True:
            try:
                message = outgoing.get()
            except EOFError:
                return
            yield message
    finally:
        outgoing.close()
