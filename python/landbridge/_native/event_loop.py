"""Calls in an asyncio event loop.

The core's I/O threads queue what is ready and make one descriptor readable; the loop takes the whole queue at
once. Every handler runs as a task of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys
from typing import TYPE_CHECKING, Any

from landbridge._operations.ending import head_lines, tell_done, trailer_lines
from landbridge._operations.handler_threads import OF_SERVER
from landbridge._operations.own_compression import plain
from landbridge._operations.run_async import end, run
from landbridge.method import StreamType
from landbridge.request import RequestContext

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from landbridge._core import Call, Server
    from landbridge._operations.handler_threads import HandlerThreads
    from landbridge._operations.operation import Operation

    HttpHandler = Callable[[Call], Coroutine[Any, Any, None]]

if sys.version_info >= (3, 12):

    def _start(work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> asyncio.Task[None]:
        """Start a task and run it to where it first waits, at once."""
        return asyncio.Task(work, loop=loop, eager_start=True)

else:

    def _start(work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> asyncio.Task[None]:
        """Start a task; it runs in the loop's next turn."""
        return loop.create_task(work)


class EventLoop:
    """Takes the calls of a server into the running event loop, from `start` to `stop`."""

    def __init__(
        self,
        server: Server,
        operations: Sequence[Operation],
        http: HttpHandler | None,
        threads: HandlerThreads,
    ) -> None:
        self._server = server
        self._operations = operations
        self._http = http
        self._threads = threads
        """For blocking handlers."""
        self._loop = asyncio.get_running_loop()
        self._running = 0
        """Handlers that have begun and not ended."""
        self._requests: set[asyncio.Task[None]] = set()
        """What serves plain HTTP."""
        self._emptied: asyncio.Event | None = None

    def start(self) -> None:
        """Begin to take calls."""
        # Tasks have the context of what starts them.
        context = contextvars.copy_context()
        context.run(OF_SERVER.set, self._threads)
        context.run(self._loop.add_reader, self._server.descriptor, self._take)

    async def stop(self, patience: float) -> int:
        """Take no more, and wait for handlers to end; those whose calls were cut have been cancelled.

        Returns how many have not ended after `patience` seconds.
        """
        # What the I/O threads have said last.
        self._take()
        self._loop.remove_reader(self._server.descriptor)
        # Tasks that were cancelled before they began are over after this turn.
        await asyncio.sleep(0)
        self._emptied = asyncio.Event()
        if self._running:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), patience)
        left = self._running
        for request in self._requests:
            request.cancel()
        return left

    def _take(self) -> None:
        for call in self._server.poll():
            number = call.method
            if number < 0:
                # The application decides what becomes of it when the client goes away.
                request = self._loop.create_task(self._serve_http(call))
                self._requests.add(request)
                request.add_done_callback(self._requests.discard)
                continue
            operation = self._operations[number]
            readable = plain(operation, call) if operation.compressions else call
            if operation.stream_type is StreamType.UNARY and not operation.before:
                work = self._run_unary(operation, readable)
            else:
                work = self._run(operation, readable)
            task = _start(work, self._loop)
            if not task.done():
                # Keeps the task alive, and cancels it when the caller goes away.
                call.set_worker(task)

    async def _run(self, operation: Operation, call: Call) -> None:
        self._running += 1
        try:
            ctx = RequestContext._of(operation.method, call, call.send_headers)
            await run(operation, call, _Waits(call, self._loop), ctx)
        finally:
            self._leave()

    async def _run_unary(self, operation: Operation, call: Call) -> None:
        """As `_run`, of the one message that has come with the call."""
        self._running += 1
        ctx = RequestContext._of(operation.method, call, call.send_headers)
        try:
            codec = call.codec
            request = operation.decode(codec, call.receive())
            response = await operation.function(request, ctx)
            message = operation.encode(codec, response)
            call.finish(message, head_lines(ctx), trailer_lines(ctx))
        except BaseException as raised:
            end(operation, call, ctx, None, raised)
        else:
            if ctx._done_callbacks is not None:
                tell_done(ctx)
        finally:
            self._leave()

    async def _serve_http(self, call: Call) -> None:
        self._running += 1
        try:
            if self._http is None:
                call.http_head(404, [])
                call.http_end()
            else:
                await self._http(call)
        finally:
            self._leave()

    def _leave(self) -> None:
        self._running -= 1
        if not self._running and self._emptied is not None:
            self._emptied.set()


class _Waits:
    """How handlers in this loop wait for their call."""

    __slots__ = ("_call", "_loop")

    def __init__(self, call: Call, loop: asyncio.AbstractEventLoop) -> None:
        self._call = call
        self._loop = loop

    async def readable(self) -> None:
        waiter = self._loop.create_future()
        self._call.when_readable(waiter)
        await waiter

    async def writable(self) -> None:
        waiter = self._loop.create_future()
        self._call.when_writable(waiter)
        await waiter

    async def turn(self) -> None:
        await asyncio.sleep(0)
