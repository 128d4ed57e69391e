"""Streams of the asynchronous client with interceptors around them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import ref

from landbridge._headers import Headers
from landbridge.client._endings import given_up
from landbridge.client._streams import Conversation, _Direct

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from landbridge.client._asynchronous import ConnectClient
    from landbridge.client._context import CallContext
    from landbridge.client._operation import Operation


class Intercepted(Conversation):
    """Interceptors see iterators, which a task of the call's own runs, one message ahead of the reader.

    So what an interceptor does between two messages is done in one task, as at a server, and whoever gives up
    its wait for a message takes nothing from it.
    """

    def __init__(self, client: ConnectClient, operation: Operation, request: Any, ctx: CallContext) -> None:
        self._client = client
        self._operation = operation
        self._ctx = ctx
        self._given = request
        self._outgoing: _Way | None = None
        self._incoming = _Way()
        self._direct: _Direct | None = None
        self._task: asyncio.Task[None] | None = None
        self._reached = asyncio.Event()
        self._is_given_up = False

    @property
    def _gets_one(self) -> bool:
        return not self._operation.gives_stream

    def _function(self) -> Any:
        # One context belongs to one conversation; that is how the innermost function finds it. It does not
        # keep it, so that a stream that is dropped ends what is done for it.
        self._ctx.conversation = ref(self)
        return self._client._around(self._operation, _answer if self._gets_one else _responses)

    def _request(self) -> Any:
        if not self._operation.takes_stream:
            return self._given
        if self._given is not None:
            return _asynchronous(self._given)
        self._outgoing = _Way()
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
        end: BaseException = EOFError("the stream has ended")
        try:
            if self._gets_one:
                await self._incoming.put(await self._function()(request, self._ctx))
                end = EOFError("the response was taken before")
            else:
                await self._pass_on(self._function()(request, self._ctx))
        except (_NobodyTakesError, asyncio.CancelledError):
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

    def direct(self, request: Any) -> _Direct:
        """The call itself, which the innermost function makes."""
        ctx = self._ctx
        direct = _Direct(self._client, self._operation, request, ctx.lines(), ctx.timeout_ms, ctx)
        self._direct = direct
        self._reached.set()
        return direct

    async def receive(self) -> Any:
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
        outgoing = self._sending()
        try:
            await outgoing.put(message)
        except _NobodyTakesError:
            self._incoming.check()
            raise EOFError("the server has ended the call and takes no more messages") from None

    async def close_send(self) -> None:
        self._sending().end(EOFError("the request was ended and takes no more messages"))

    def _sending(self) -> _Way:
        self.begin()
        if self._outgoing is None:
            raise RuntimeError("the messages of this call come from an iterator")
        return self._outgoing

    async def headers(self) -> Headers:
        self.begin()
        await self._reached.wait()
        if self._direct is not None:
            return await self._direct.headers()
        # The interceptors have done without a call.
        self._incoming.check()
        return Headers()

    def trailers(self) -> Headers:
        if self._direct is None:
            raise RuntimeError("the trailers come with the end of the stream, which has not come")
        return self._direct.trailers()

    def cancel(self) -> None:
        self._is_given_up = True
        if self._direct is not None:
            self._direct.cancel()
        self._incoming.close()
        if self._task is not None and not self._task.done():
            # From any thread. A loop that is closed has done away with its tasks.
            with suppress(RuntimeError):
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    async def aclose(self) -> None:
        self.cancel()
        if self._task is not None:
            await asyncio.wait({self._task})
        if self._direct is not None:
            await self._direct.aclose()


class _NobodyTakesError(Exception):
    """What is put in would not be taken out any more."""


class _Way:
    """Takes messages from one task to another, one at a time. Either side may end it."""

    __slots__ = ("_changed", "_end", "_is_closed", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Any] = deque()
        self._end: BaseException | None = None
        self._is_closed = False
        self._changed = asyncio.Event()

    async def put(self, message: Any) -> None:
        """Wait for room. Raises what it was ended with, and `_NobodyTakesError` once it is closed."""
        while self._waiting and not self._is_closed and self._end is None:
            self._changed.clear()
            await self._changed.wait()
        if self._end is not None:
            raise self._end
        if self._is_closed:
            raise _NobodyTakesError
        self._waiting.append(message)
        self._changed.set()

    def end(self, end: BaseException) -> None:
        """No more is put in: `get` raises this after the last."""
        if self._end is None:
            self._end = end
            self._changed.set()

    async def get(self) -> Any:
        """Wait for a message, or the end."""
        while not self._waiting:
            if self._end is not None:
                raise self._end
            self._changed.clear()
            await self._changed.wait()
        self._changed.set()
        return self._waiting.popleft()

    def close(self) -> None:
        """No more is taken out. What is left is dropped, and was not all then."""
        self._is_closed = True
        if self._waiting:
            self._waiting.clear()
            if self._end is not None:
                self._end = given_up()
        self._changed.set()

    def check(self) -> None:
        """Raise what went wrong, if it did."""
        if self._end is not None and not isinstance(self._end, EOFError):
            raise self._end


def _direct(request: Any, ctx: CallContext) -> _Direct:
    conversation: Intercepted | None = ctx.conversation()
    if conversation is None:
        raise given_up()
    return conversation.direct(request)


async def _answer(request: Any, ctx: CallContext) -> Any:
    return await _direct(request, ctx).only()


async def _responses(request: Any, ctx: CallContext) -> AsyncIterator[Any]:
    direct = _direct(request, ctx)
    direct.begin()
    try:
        while True:
            try:
                response = await direct.receive()
            except EOFError:
                return
            yield response
    finally:
        await direct.aclose()


async def _queued(outgoing: _Way) -> AsyncIterator[Any]:
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
