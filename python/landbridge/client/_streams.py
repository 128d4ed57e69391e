"""Streams of the asynchronous client."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from landbridge._core import PENDING
from landbridge._fairness import IN_A_ROW
from landbridge._headers import Headers
from landbridge.client._endings import given_up
from landbridge.client._response_metadata import wanted

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable, Iterable
    from datetime import timedelta
    from types import TracebackType
    from typing import Self

    from landbridge._headers import Lines
    from landbridge.client._asynchronous import ConnectClient
    from landbridge.client._operation import Operation
    from landbridge.client._outbound import AsyncOutbound
    from landbridge.method import MethodInfo

__all__ = ["BidiStream", "ClientStream", "ServerStream"]

REQ = TypeVar("REQ")
RES = TypeVar("RES")


class _Stream:
    """A call that is under way, and what all its kinds have."""

    __slots__ = ("_call",)

    def __init__(self, conversation: Conversation) -> None:
        self._call = conversation

    async def response_headers(self) -> Headers:
        """The server's headers, as soon as they have come.

        Raises `ConnectError` where the call fails before.
        """
        return await self._call.headers()

    @property
    def response_trailers(self) -> Headers:
        """The server's trailers. Raises `RuntimeError` before the stream has ended."""
        return self._call.trailers()

    def cancel(self) -> None:
        """Give the call up, unless all of it was taken. Does not wait."""
        self._call.cancel()

    async def aclose(self) -> None:
        """End the call: what is not over is cancelled. Leaving `async with` does this."""
        await self._call.aclose()

    async def __aenter__(self) -> Self:
        self._call.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._call.aclose()

    def __del__(self) -> None:
        # What works for it would keep the call alive.
        self._call.cancel()


class ServerStream(_Stream, Generic[RES]):
    """The responses of a call: an asynchronous iterator, which `async with` ends early."""

    __slots__ = ()

    def __aiter__(self) -> AsyncIterator[RES]:
        return self

    async def __anext__(self) -> RES:
        call = self._call
        try:
            response: RES = call.receive_nowait()
            if response is PENDING:
                response = await call.receive()
        except EOFError:
            raise StopAsyncIteration from None
        except BaseException:
            # Who iterates is done with it, however that came about.
            call.cancel()
            raise
        return response

    async def receive(self) -> RES:
        """The next message. Raises `EOFError` after the last, and `ConnectError` where the call fails.

        Cancelling the wait loses nothing.
        """
        response: RES = await self._call.receive()
        return response


class BidiStream(ServerStream[RES], Generic[REQ, RES]):
    """A call with a stream each way, both of which may be open at once."""

    __slots__ = ()

    async def send(self, message: REQ) -> None:
        """Send a message; waits until there is room.

        Raises `EOFError` where the call has ended well or its sending side was closed, `ConnectError` where
        it has failed, and `RuntimeError` where messages come from an iterator.
        """
        await self._call.send(message)

    async def close_send(self) -> None:
        """Say that no message follows (half-close)."""
        await self._call.close_send()


class ClientStream(_Stream, Generic[REQ, RES]):
    """A call with a stream of requests and one response."""

    __slots__ = ()

    async def send(self, message: REQ) -> None:
        """As `BidiStream.send`."""
        await self._call.send(message)

    async def close_send(self) -> None:
        """Say that no message follows (half-close)."""
        await self._call.close_send()

    async def receive(self) -> RES:
        """The response; says first that no message follows.

        Raises `ConnectError` where the call fails, and `EOFError` where the response was taken before.
        """
        await self._call.close_send()
        response: RES = await self._call.only()
        return response


def converse(
    client: ConnectClient,
    method: MethodInfo[Any, Any],
    request: Any,
    lines: Lines | None,
    timeout_ms: float | timedelta | None,
) -> Conversation:
    """A call that starts when it is first used."""
    configuration = client._configuration
    operation = configuration.operation(method)
    timeout = configuration.timeout(timeout_ms)
    if not configuration.interceptors:
        return WireConversation(client, operation, request, lines, timeout)
    from landbridge.client._intercepted_async import AsyncIntercepted  # noqa: PLC0415

    return AsyncIntercepted(client, operation, request, configuration.context(method, lines, timeout))


class Conversation:
    """The two ways of one call."""

    __slots__ = ()

    def begin(self) -> None:
        """Start the call, unless it has been."""
        raise NotImplementedError

    def receive_nowait(self) -> Any:
        """As `receive`, where that would not wait; else `PENDING`."""
        return PENDING

    async def receive(self) -> Any:
        """The next message; raises `EOFError` after the last."""
        raise NotImplementedError

    async def only(self) -> Any:
        """The one response of the call, which is over then."""
        raise NotImplementedError

    async def send(self, message: Any) -> None:
        """Send a message."""
        raise NotImplementedError

    async def close_send(self) -> None:
        """Half-close."""
        raise NotImplementedError

    async def headers(self) -> Headers:
        """The headers of the response."""
        raise NotImplementedError

    def trailers(self) -> Headers:
        """Its trailers."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Give it up."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Give it up, and wait for what works for it."""
        raise NotImplementedError


class WireConversation(Conversation):
    """Without interceptors: what is sent and received is on the wire."""

    __slots__ = (
        "_call",
        "_client",
        "_context",
        "_in_a_row",
        "_is_given_up",
        "_lines",
        "_loop",
        "_operation",
        "_request",
        "_sender",
        "_timeout",
    )

    def __init__(
        self,
        client: ConnectClient,
        operation: Operation,
        request: Any,
        lines: Lines | None,
        timeout: float | None,
        context: Any = None,
    ) -> None:
        self._client = client
        self._operation = operation
        self._request = request
        self._lines = lines
        self._timeout = timeout
        self._context = context
        self._call: AsyncOutbound | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sender: asyncio.Task[None] | None = None
        self._in_a_row = 0
        self._is_given_up = False

    def begin(self) -> None:
        self._started()

    def _started(self) -> AsyncOutbound:
        if self._call is not None:
            return self._call
        if self._is_given_up:
            raise given_up()
        client, operation, request = self._client, self._operation, self._request
        loop = self._loop = client._running_loop()
        call: AsyncOutbound = operation.starter.start(
            client._events_of(loop),
            None,
            None if operation.takes_stream else operation.encode(request),
            self._lines,
            self._timeout,
            False,
            client._configuration.wait_for_ready,
        )
        self._call = call
        if self._context is not None:
            self._context.begin(call)
        if operation.takes_stream:
            if request is not None:
                self._sender = loop.create_task(_send_all(self, request))
            # Behind the first messages of the iterator, and behind all that is sent before the loop goes on.
            loop.call_soon(call.make)
        if self._is_given_up:
            self.cancel()
        return call

    def receive_nowait(self) -> Any:
        call = self._call
        if call is None or self._sender is not None or self._in_a_row >= IN_A_ROW:
            return PENDING
        # As `_read`, without a step of its own for each message.
        try:
            data = call.receive()
        except BaseException:
            self._take(call)
            raise
        return PENDING if data is PENDING else self._received(data, call)

    async def receive(self) -> Any:
        call = self._call or self._started()
        if self._in_a_row >= IN_A_ROW:
            await self._take_turns()
        data = self._read(call) if self._sender is None else await self._watched(call)
        while data is PENDING:
            await self._until(call.when_readable)
            data = self._read(call) if self._sender is None else await self._watched(call)
        return self._received(data, call)

    def _received(self, data: Any, call: AsyncOutbound) -> Any:
        if data is None:
            self._take(call)
            self._stop_sender()
            raise EOFError("the stream has ended")
        self._in_a_row += 1
        return self._operation.decode(data, call)

    async def _take_turns(self) -> None:
        """Let others have the event loop, after so much of a call that never has to wait for anything."""
        from asyncio import sleep  # noqa: PLC0415

        # Whoever else comes meanwhile gets in line, and stays behind.
        await sleep(0)
        self._in_a_row = 0

    def _read(self, call: AsyncOutbound) -> Any:
        """What has come. Of a call that has failed, what came with that is taken down."""
        try:
            return call.receive()
        except BaseException:
            self._take(call)
            raise

    async def _watched(self, call: AsyncOutbound) -> Any:
        """As `_read`, where an iterator of requests may have failed the call."""
        try:
            return self._read(call)
        except BaseException:
            await self._raise_senders()
            self._stop_sender()
            raise

    def _stop_sender(self) -> None:
        """Nobody takes what the iterator of requests has yet to give. From any thread."""
        sender = self._sender
        if sender is not None and not sender.done():
            from contextlib import suppress  # noqa: PLC0415

            # A loop that is closed has done away with its tasks.
            with suppress(RuntimeError):
                sender.get_loop().call_soon_threadsafe(sender.cancel)

    async def _raise_senders(self) -> None:
        """Raise what the iterator of requests has raised, if it has."""
        sender = self._sender
        if sender is not None and sender.done() and not sender.cancelled() and sender.exception() is not None:
            await sender

    async def only(self) -> Any:
        call = self._call or self._started()
        try:
            while not call.is_over:
                await self._until(call.when_ended)
            self._take(call)
            await self._raise_senders()
            data = call.answer()
            if data is None:
                raise EOFError("the response was taken before")
            return self._operation.decode(data, call)
        finally:
            await self.aclose()

    async def send(self, message: Any) -> None:
        if self._request is not None:
            raise RuntimeError("the messages of this call come from an iterator")
        await self.put(message)

    async def put(self, message: Any) -> None:
        """As `send`, from wherever the message comes."""
        call = self._call or self._started()
        # Before anything is waited for: messages keep their order, and are given even if a wait is cancelled.
        has_room = call.send(self._operation.encode(message))
        self._in_a_row += 1
        if not has_room:
            await self._until(call.when_writable)
        elif self._in_a_row >= IN_A_ROW:
            await self._take_turns()

    async def close_send(self) -> None:
        if self._request is not None:
            raise RuntimeError("the messages of this call come from an iterator")
        (self._call or self._started()).close_send()

    def end_request(self) -> None:
        """Half-close, after the last message of an iterator."""
        if self._call is not None:
            self._call.close_send()

    async def headers(self) -> Headers:
        call = self._call or self._started()
        while (head := call.head()) is None:
            if call.is_over:
                call.check()
                return Headers()
            await self._until(call.when_head)
        return Headers._received(head[1])

    def trailers(self) -> Headers:
        trailers = None if self._call is None else self._call.trailers()
        if trailers is None:
            raise RuntimeError("the trailers come with the end of the stream, which has not come")
        return Headers._received(trailers)

    def cancel(self) -> None:
        # From any thread; one in which the call begins right now looks at this behind that.
        self._is_given_up = True
        if self._call is not None:
            self._call.cancel()
            self._stop_sender()

    async def aclose(self) -> None:
        self.cancel()
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.cancel()
            # What it failed with was raised where it mattered.
            from asyncio import CancelledError, current_task  # noqa: PLC0415

            task = current_task()
            before = 0 if task is None else task.cancelling()
            try:
                await sender
            except CancelledError:
                if task is not None and task.cancelling() > before:
                    raise
            except Exception:
                pass

    async def _until(self, happens: Callable[[asyncio.Future[None]], None]) -> None:
        loop, call = self._loop, self._call
        # Set where the call was started.
        assert loop is not None
        assert call is not None
        waiter = loop.create_future()
        happens(waiter)
        if not waiter.done():
            self._in_a_row = 0
        try:
            await waiter
        except BaseException:
            call.forget(waiter)
            raise

    def _take(self, call: AsyncOutbound) -> None:
        metadata = wanted()
        if metadata is not None:
            metadata._take(call)
        if self._context is not None:
            self._context.take(call)


async def _send_all(conversation: WireConversation, request: AsyncIterable[Any] | Iterable[Any]) -> None:
    """Send what an iterator gives. What it raises fails the call."""
    try:
        if isinstance(request, AsyncIterable):
            try:
                async for message in request:
                    await conversation.put(message)
            finally:
                close = getattr(request, "aclose", None)
                if close is not None:
                    await close()
        else:
            for message in request:
                await conversation.put(message)
        conversation.end_request()
    except EOFError:
        # The server needs no more to end the call.
        return
    except BaseException as error:
        from landbridge.errors import ConnectError  # noqa: PLC0415

        if isinstance(error, ConnectError) and conversation._call is not None and conversation._call.is_over:
            # It is the call's own end, which whoever receives is told.
            return
        conversation.cancel()
        raise
