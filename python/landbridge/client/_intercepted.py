"""Streams of the asynchronous client with interceptors around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any

from landbridge._headers import Headers
from landbridge.client._streams import Conversation, _Direct
from landbridge.method import StreamType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from landbridge.client._asynchronous import ConnectClient
    from landbridge.client._context import CallContext
    from landbridge.client._operation import Operation

_END = object()


class Intercepted(Conversation):
    """Interceptors see iterators: what is sent one by one reaches them through a queue."""

    def __init__(self, client: ConnectClient, operation: Operation, request: Any, ctx: CallContext) -> None:
        self._client = client
        self._operation = operation
        self._ctx = ctx
        self._given = request
        self._outgoing: asyncio.Queue[Any] | None = None
        self._direct: _Direct | None = None
        self._responses: AsyncIterator[Any] | None = None
        self._answer: asyncio.Task[Any] | None = None
        self._reached = asyncio.Event()

    @property
    def _gets_one(self) -> bool:
        return self._operation.method.stream_type is StreamType.CLIENT_STREAM

    def begin(self) -> None:
        if self._responses is not None or self._answer is not None:
            return
        function = self._client._around(self._operation, _answer if self._gets_one else _responses)
        # One context belongs to one conversation; that is how the innermost function finds it.
        self._ctx.conversation = self
        if self._operation.method.stream_type is StreamType.SERVER_STREAM:
            request = self._given
        elif self._given is None:
            self._outgoing = asyncio.Queue(1)
            request = _queued(self._outgoing)
        else:
            request = _asynchronous(self._given)
        if self._gets_one:
            self._answer = asyncio.ensure_future(function(request, self._ctx))
        else:
            self._responses = aiter(function(request, self._ctx))

    def direct(self, request: Any) -> _Direct:
        """The call itself, which the innermost function makes."""
        ctx = self._ctx
        direct = _Direct(self._client, self._operation, request, ctx.lines(), ctx.timeout_ms, ctx)
        self._direct = direct
        self._reached.set()
        return direct

    async def receive(self) -> Any:
        self.begin()
        # Only methods with a stream of responses are received from.
        assert self._responses is not None
        try:
            return await anext(self._responses)
        except StopAsyncIteration:
            raise EOFError("the stream has ended") from None

    async def only(self) -> Any:
        self.begin()
        # Only methods with one response have it.
        assert self._answer is not None
        try:
            return await self._answer
        finally:
            await self.aclose()

    async def send(self, message: Any) -> None:
        await self._put(message)

    async def close_send(self) -> None:
        await self._put(_END)

    async def _put(self, item: Any) -> None:
        self.begin()
        if self._outgoing is None:
            raise RuntimeError("the messages of this call come from an iterator")
        if self._answer is not None and self._answer.done():
            self._answer.result()
            raise EOFError("the server has ended the call and takes no more messages")
        if self._responses is not None and self._direct is None:
            # An iterator does nothing before it is asked: the innermost one has to be started.
            self._pull()
        await self._outgoing.put(item)

    def _pull(self) -> None:
        responses = self._responses
        assert responses is not None
        self._responses = _Ahead(responses)

    async def headers(self) -> Headers:
        self.begin()
        if self._direct is None and self._responses is not None:
            self._pull()
        await self._reached.wait()
        assert self._direct is not None
        return await self._direct.headers()

    def trailers(self) -> Headers:
        if self._direct is None:
            raise RuntimeError("the trailers come with the end of the stream, which has not come")
        return self._direct.trailers()

    def cancel(self) -> None:
        if self._direct is not None:
            self._direct.cancel()
        if self._answer is not None:
            self._answer.cancel()

    async def aclose(self) -> None:
        self.cancel()
        if self._answer is not None:
            await asyncio.gather(self._answer, return_exceptions=True)
        close = getattr(self._responses, "aclose", None)
        if close is not None:
            await close()
        if self._direct is not None:
            await self._direct.aclose()


class _Ahead:
    """An iterator whose next item is asked for before somebody wants it."""

    def __init__(self, items: AsyncIterator[Any]) -> None:
        self._items = items
        self._next: asyncio.Future[Any] | None = asyncio.ensure_future(anext(items))

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        upcoming, self._next = self._next, None
        if upcoming is None:
            return await anext(self._items)
        try:
            return await asyncio.shield(upcoming)
        except asyncio.CancelledError:
            if not upcoming.done():
                self._next = upcoming
            raise

    async def aclose(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await close()


async def _answer(request: Any, ctx: CallContext) -> Any:
    direct = ctx.conversation.direct(request)
    return await direct.only()


async def _responses(request: Any, ctx: CallContext) -> AsyncIterator[Any]:
    direct = ctx.conversation.direct(request)
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


async def _queued(outgoing: asyncio.Queue[Any]) -> AsyncIterator[Any]:
    while (message := await outgoing.get()) is not _END:
        yield message


async def _asynchronous(given: AsyncIterable[Any] | Iterable[Any]) -> AsyncIterator[Any]:
    if isinstance(given, AsyncIterable):
        async for message in given:
            yield message
    else:
        for message in given:
            yield message
