"""How an event loop runs the interceptors around a stream: in a task of the stream's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from landbridge._core import PENDING
from landbridge._headers import Headers
from landbridge.client._endings import given_up
from landbridge.client._intercepted import Intercepted, NobodyTakesError, Way, on_the_wire
from landbridge.client._streams import Conversation, WireConversation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from landbridge.client._asynchronous import ConnectClient
    from landbridge.client._context import CallContext
    from landbridge.client._operation import Operation


class AsyncIntercepted(Intercepted, Conversation):
    """A task of the call's own runs the interceptors, one message ahead of the reader.

    So what an interceptor does between two messages is done in one task, as at a server, and whoever gives up
    its wait for a message takes nothing from it.
    """

    _wire: WireConversation | None

    def __init__(self, client: ConnectClient, operation: Operation, request: Any, ctx: CallContext) -> None:
        super().__init__(client, operation, request, ctx)
        self._outgoing: AsyncWay | None = None
        self._incoming = AsyncWay()
        self._task: asyncio.Task[None] | None = None
        self._reached = asyncio.Event()

    def _function(self) -> Any:
        return self._around(_answer, _responses)

    def _request(self) -> Any:
        if not self._operation.takes_stream:
            return self._given
        if self._given is not None:
            return _asynchronous(self._given)
        self._outgoing = AsyncWay()
        return _queued(self._outgoing)

    def begin(self) -> None:
        if self._task is None:
            if self._is_given_up:
                raise given_up()
            request = self._request()
            self._task = self._client._running_loop().create_task(self._run(request))
            self._task.add_done_callback(self._over)

    async def _run(self, request: Any) -> None:
        """All that the interceptors do, from their start to their end."""
        end: BaseException = self._no_more()
        try:
            if self._gets_one:
                await self._incoming.put(await self._function()(request, self._ctx))
            else:
                await self._pass_on(self._function()(request, self._ctx))
        except (NobodyTakesError, asyncio.CancelledError):
            end = given_up()
        except BaseException as error:
            end = error
            if not isinstance(error, Exception):
                raise
        finally:
            self._incoming.end(end)

    def _over(self, _task: asyncio.Task[None]) -> None:
        # It may have been cancelled before it did anything.
        self._incoming.end(given_up())
        if self._outgoing is not None:
            self._outgoing.close()
        self._reached.set()

    async def _pass_on(self, responses: AsyncIterator[Any]) -> None:
        try:
            async for response in responses:
                await self._incoming.put(response)
        finally:
            close = getattr(responses, "aclose", None)
            if close is not None:
                await close()

    def make(self, request: Any) -> WireConversation:
        """The call itself, which the innermost function makes."""
        ctx = self._ctx
        wire = WireConversation(self._client, self._operation, request, ctx.lines(), ctx.timeout_ms, ctx)
        self._wire = wire
        self._reached.set()
        return wire

    async def receive(self) -> Any:
        if self._task is None:
            self.begin()
        return await self._incoming.get()

    async def only(self) -> Any:
        try:
            if self._given is not None:
                return await self._function()(self._request(), self._ctx)
            return await self.receive()
        finally:
            await self.aclose()

    async def send(self, message: Any) -> None:
        try:
            await self._sending().put(message)
        except NobodyTakesError:
            raise self._nobody_takes() from None

    async def close_send(self) -> None:
        self._sending().end(EOFError("the request was ended and takes no more messages"))

    async def headers(self) -> Headers:
        self.begin()
        await self._reached.wait()
        if self._wire is not None:
            return await self._wire.headers()
        # The interceptors have done without a call.
        self._incoming.check()
        return Headers()

    def cancel(self) -> None:
        self._is_given_up = True
        if self._wire is not None:
            self._wire.cancel()
        # From any thread: whoever waits is told when the task is over.
        self._incoming.abandon()
        if self._task is not None and not self._task.done():
            # A loop that is closed has done away with its tasks.
            with suppress(RuntimeError):
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    async def aclose(self) -> None:
        self.cancel()
        if self._task is not None:
            await asyncio.wait({self._task})
        if self._wire is not None:
            await self._wire.aclose()


class AsyncWay(Way):
    """From one task to another."""

    __slots__ = ("_waiting_tasks",)

    def __init__(self) -> None:
        super().__init__()
        self._waiting_tasks: list[asyncio.Future[None]] = []

    async def put(self, message: Any) -> None:
        """As `offer`; waits for room."""
        while not self.offer(message):
            await self._change()

    async def get(self) -> Any:
        """As `take`; waits for a message."""
        while (message := self.take()) is PENDING:
            await self._change()
        return message

    async def _change(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting_tasks.append(future)
        try:
            await future
        finally:
            self._waiting_tasks.remove(future)

    def _tell(self) -> None:
        for future in self._waiting_tasks:
            if not future.done():
                future.set_result(None)


async def _answer(request: Any, ctx: CallContext) -> Any:
    return await on_the_wire(request, ctx).only()


async def _responses(request: Any, ctx: CallContext) -> AsyncIterator[Any]:
    call = on_the_wire(request, ctx)
    call.begin()
    try:
        while True:
            try:
                response = await call.receive()
            except EOFError:
                return
            yield response
    finally:
        await call.aclose()


async def _queued(outgoing: AsyncWay) -> AsyncIterator[Any]:
    try:
        while True:
            try:
                message = await outgoing.get()
            except EOFError:
                return
            yield message
    finally:
        outgoing.close()


async def _asynchronous(given: AsyncIterable[Any] | Iterable[Any]) -> AsyncIterator[Any]:
    if isinstance(given, AsyncIterable):
        async for message in given:
            yield message
    else:
        for message in given:
            yield message
