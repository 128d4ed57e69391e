"""Blocking handlers among asynchronous ones: each call has a thread, and what goes in and out crosses."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import inspect
import logging
import threading
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

from landbridge._kinds import gives_stream, takes_stream
from landbridge._operations import handler_threads
from landbridge._operations.beside import beside
from landbridge._operations.ending import gone, is_cancellation
from landbridge.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from landbridge.method import StreamType
    from landbridge.request import RequestContext

logger = logging.getLogger("landbridge")

_END: Any = object()


def awaitable(function: Callable[..., Any], stream_type: StreamType) -> Callable[..., Any]:
    """A handler that runs a blocking one on a thread."""
    run = _stream if gives_stream(stream_type) else _single
    return functools.partial(run, function, takes_stream(stream_type))


async def _single(
    function: Callable[..., Any], takes_stream: bool, request: Any, ctx: RequestContext[Any, Any]
) -> Any:
    handler = _Handler(function, request, ctx, takes_stream=takes_stream, gives_stream=False)
    try:
        response = await handler.begin()
    finally:
        await handler.leave()
    # A plain function may also hand over what somebody else answers.
    return await response if inspect.isawaitable(response) else response


async def _stream(
    function: Callable[..., Any], takes_stream: bool, request: Any, ctx: RequestContext[Any, Any]
) -> AsyncIterator[Any]:
    handler = _Handler(function, request, ctx, takes_stream=takes_stream, gives_stream=True)
    try:
        response = await handler.begin()
        while response is not _END:
            yield response
            response = await handler.go_on()
    finally:
        await handler.leave()


class _Handler:
    """A handler on a thread, and the one in the event loop who waits for what it gives.

    The thread has the call to its end. Who waits may leave before; the thread is told when it next asks for
    a message or gives one.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        request: Any,
        ctx: RequestContext[Any, Any],
        *,
        takes_stream: bool,
        gives_stream: bool,
    ) -> None:
        self._function = function
        self._request = self._messages(request) if takes_stream else request
        self._ctx = ctx
        self._beside = beside()
        self._threads = handler_threads.current()
        # As tasks do, a handler has the context of whoever has called it.
        work = self._give_all if gives_stream else self._give_one
        self._job = functools.partial(contextvars.copy_context().run, self._run, work)
        self._has_begun = False
        self._has_left = False
        # Of the answer:
        self._given: tuple[Any, BaseException | None] = (_END, None)
        self._is_given = self._beside.event()
        self._is_wanted = threading.Semaphore(0)
        self._rests = False
        """Whether the thread waits for its last response to be taken."""
        # Of the request:
        self._reads: set[Future[Any]] = set()
        self._stop_reading: Callable[[], Coroutine[Any, Any, None]] | None = None

    # In the event loop.

    async def begin(self) -> Any:
        """Start the handler. Gives its response, or the first of them.

        Raises what the handler raises, and `ConnectError` where there is no thread for it.
        """
        self._threads.put(self._job)
        return await self._next()

    async def go_on(self) -> Any:
        """Give the next response, `_END` after the last."""
        self._is_given = self._beside.event()
        self._rests = False
        self._is_wanted.release()
        return await self._next()

    async def _next(self) -> Any:
        await self._is_given.wait()
        response, error = self._given
        if error is not None:
            raise error
        return response

    async def leave(self) -> None:
        """Take nothing more. A generator that rests at a `yield` is closed, and its end waited for."""
        self._has_left = True
        if not self._has_begun:
            self._threads.withdraw(self._job)
        rests, self._is_given = self._rests, self._beside.event()
        self._is_wanted.release()
        for read in list(self._reads):
            read.cancel()
        try:
            # Nobody may close the messages while somebody reads them.
            if self._stop_reading is not None:
                await self._stop_reading()
        finally:
            if rests:
                await self._is_given.wait()

    def _begin_read(self, messages: AsyncIterator[Any], read: Future[Any]) -> None:
        if not self._has_left:
            self._stop_reading = self._beside.start(_read(messages, read))

    # On the thread.

    def _run(self, work: Callable[[], None]) -> None:
        self._has_begun = True
        try:
            work()
        except BaseException as raised:
            if self._has_left and not isinstance(raised, ConnectError):
                path = f"/{self._ctx.method.service_name}/{self._ctx.method.name}"
                logger.error("the handler of %s failed after its call was over", path, exc_info=raised)
            self._give(_END, raised)

    def _give_one(self) -> None:
        try:
            self._give(self._function(self._request, self._ctx))
        except StopIteration as raised:
            # No coroutine can raise it.
            raise RuntimeError("the handler raised StopIteration") from raised

    def _give_all(self) -> None:
        responses = self._function(self._request, self._ctx)
        try:
            for response in responses:
                self._rests = True
                self._give(response)
                self._is_wanted.acquire()
                if self._has_left:
                    break
        finally:
            # Decorators may have put another iterator in its place.
            close = getattr(responses, "close", None)
            if close is not None:
                close()
        self._give(_END)

    def _give(self, response: Any, error: BaseException | None = None) -> None:
        self._given = response, error
        # Once the event loop is over nobody waits.
        with contextlib.suppress(RuntimeError):
            self._beside.call(self._tell)

    def _tell(self) -> None:
        self._is_given.set()

    def _messages(self, messages: AsyncIterator[Any]) -> Iterator[Any]:
        while (message := self._message(messages)) is not _END:
            yield message

    def _message(self, messages: AsyncIterator[Any]) -> Any:
        read: Future[Any] = Future()
        self._reads.add(read)
        try:
            if self._has_left:
                raise gone(self._ctx)
            try:
                self._beside.call(self._begin_read, messages, read)
            except RuntimeError:
                # The event loop is over.
                raise gone(self._ctx) from None
            return read.result()
        except CancelledError:
            raise gone(self._ctx) from None
        finally:
            self._reads.discard(read)


async def _read(messages: AsyncIterator[Any], read: Future[Any]) -> None:
    """Read one message for a thread."""
    try:
        message = await anext(messages, _END)
    except BaseException as raised:
        if is_cancellation(raised) or isinstance(raised, GeneratorExit):
            read.cancel()
            raise
        if not read.cancelled():
            read.set_exception(raised)
    else:
        if not read.cancelled():
            read.set_result(message)
