"""Calls over an `httpx.AsyncClient`, or into an application in memory, in place of the transport."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from landbridge._core import PENDING, ClientExchange
from landbridge._kinds import KINDS, gives_stream
from landbridge.client._carrier import ROOM, CarrierError, httpx_address, httpx_failures
from landbridge.client._endings import GIVEN_UP, given_up
from landbridge.client._in_memory import InMemory, InMemorySync
from landbridge.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from landbridge._headers import Lines, RawLines
    from landbridge.client._configuration import Configuration
    from landbridge.method import MethodInfo


class Answer(Protocol):
    """Takes a response as it comes."""

    def respond(self, status: int, headers: RawLines) -> None:
        """The head."""
        ...

    async def push(self, data: bytes) -> None:
        """Content; waits while the caller has enough of it."""
        ...

    def end(self, trailers: RawLines | None) -> None:
        """The end."""
        ...


def starter(http_client: Any, configuration: Configuration) -> Callable[[MethodInfo[Any, Any]], _Starter]:
    """Starts calls over the client that was given. Raises `TypeError` for one that is not known."""
    if isinstance(http_client, InMemory):
        carrier = http_client._carry
    elif isinstance(http_client, InMemorySync):
        raise TypeError("an InMemorySync application is called by a blocking client; give InMemory")
    else:
        carrier = _over_httpx(http_client, configuration)
    return lambda method: _Starter(carrier, configuration, method)


def _over_httpx(http_client: Any, configuration: Configuration) -> Any:
    import httpx  # noqa: PLC0415

    if not isinstance(http_client, httpx.AsyncClient):
        kind = type(http_client).__name__
        raise TypeError(f"http_client is an httpx.AsyncClient or an InMemory application, not {kind}")
    base = httpx_address(configuration)

    async def carry(
        http_method: str,
        target: str,
        headers: Lines,
        content: AsyncIterator[bytes] | bytes,
        seconds: float | None,
        answer: Answer,
    ) -> None:
        limit = httpx.USE_CLIENT_DEFAULT if seconds is None else httpx.Timeout(seconds)
        request = http_client.build_request(
            http_method, base + target, headers=headers, content=content, timeout=limit
        )
        with httpx_failures(httpx):
            response = await http_client.send(request, stream=True)
            try:
                answer.respond(response.status_code, response.headers.raw)
                async for data in response.aiter_raw():
                    await answer.push(data)
                answer.end(None)
            finally:
                await response.aclose()

    return carry


class _Starter:
    """Starts calls of one method."""

    def __init__(self, carrier: Any, configuration: Configuration, method: MethodInfo[Any, Any]) -> None:
        self._carrier = carrier
        self._configuration = configuration
        self._style = configuration.style()
        self._path = f"/{method.service_name}/{method.name}"
        self._kind = KINDS[method.stream_type]
        self._gives_stream = gives_stream(method.stream_type)

    def start(
        self,
        events: Any,  # noqa: ARG002
        ended: asyncio.Future[None] | None,
        message: Any,
        headers: Lines | None,
        timeout_ms: float | None,
        get: bool,
        wait_for_ready: bool,  # noqa: ARG002
        /,
    ) -> _Call:
        if self._configuration.is_closed:
            raise RuntimeError("the client is closed")
        exchange = ClientExchange(
            self._style,
            path=self._path,
            kind=self._kind,
            headers=headers,
            timeout_ms=timeout_ms,
            get=get,
        )
        call = _Call(exchange, None if timeout_ms is None else timeout_ms / 1000, self._gives_stream)
        if message is not None:
            exchange.send(message)
            exchange.close_send()
            call.half_closed = True
        if ended is not None:
            call.when_ended(ended)
        call.begin(self._carrier)
        return call


class _Call:
    """One call, as `AsyncOutbound` has it."""

    def __init__(self, exchange: ClientExchange, timeout: float | None, gives_stream: bool) -> None:
        self._exchange = exchange
        self._timeout = timeout
        # A single response is taken when the call is over.
        self._waits_for_reader = gives_stream
        self._received: deque[Any] = deque()
        self._end: BaseException | None = None
        self._ended = False
        self.is_cancelled = False
        self.is_late = False
        self.half_closed = False
        self._waiting: list[tuple[asyncio.Future[None], Callable[[], bool]]] = []
        self._written = asyncio.Event()
        self._taken = asyncio.Event()
        self._waiting_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self.head = exchange.head
        self.trailers = exchange.trailers

    def begin(self, carrier: Any) -> None:
        """Have it carried."""
        self._task = asyncio.get_running_loop().create_task(self._run(carrier))
        self._task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        # It may have been cancelled before it did anything.
        if task.cancelled():
            self._exchange.fail("canceled", GIVEN_UP)
            self._look()

    async def _run(self, carrier: Any) -> None:
        try:
            head, content, is_whole = self._exchange.take_request()
            while head is None:
                await self._written.wait()
                self._written.clear()
                head, content, is_whole = self._exchange.take_request()
            http_method, target, headers = head
            body = content if is_whole else self._content(content)
            try:
                async with asyncio.timeout(self._timeout) as limit:
                    await carrier(http_method, target, headers, body, self._timeout, self)
            except TimeoutError:
                if not limit.expired():
                    raise
                self.is_late = not self._ended
                self._exchange.fail("deadline_exceeded", "the call was not answered in time")
            except CarrierError as failed:
                self.is_late = failed.is_late and not self._ended
                self._exchange.fail(*failed.args)
        except Exception as error:
            self._exchange.fail("unknown", f"the call could not be carried: {error}")
        finally:
            self._look()

    async def _content(self, content: bytes) -> AsyncIterator[bytes]:
        is_whole = False
        while True:
            if content:
                yield content
            self._waiting_bytes = 0
            self._tell()
            if is_whole:
                return
            await self._written.wait()
            self._written.clear()
            _, content, is_whole = self._exchange.take_request()

    def respond(self, status: int, headers: RawLines) -> None:
        """Take the head of the response."""
        self._exchange.respond(status, headers)
        self._look()

    async def push(self, data: bytes) -> None:
        """Take content of the response; waits while the caller has enough."""
        self._exchange.push(data)
        self._look()
        while self._waits_for_reader and self._received and not self._ended:
            self._taken.clear()
            await self._taken.wait()

    def end(self, trailers: RawLines | None) -> None:
        """Take the end of the response."""
        self._exchange.end(trailers)
        self._look()

    def _look(self) -> None:
        """See what has come."""
        while not self._ended:
            try:
                data = self._exchange.receive()
            except ConnectError as error:
                self._end = error
                self._ended = True
                break
            if data is PENDING:
                break
            if data is None:
                self._ended = True
            else:
                self._received.append(data)
        self._tell()

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future, is_so in waiting:
            self._when(future, is_so)

    def receive(self) -> Any:
        if self._received:
            data = self._received.popleft()
            self._taken.set()
            return data
        if not self._ended:
            return PENDING
        self.check()
        return None

    def answer(self) -> Any:
        self.check()
        return self._received.popleft() if self._received else None

    def check(self) -> None:
        if self._end is not None:
            raise self._end

    @property
    def is_over(self) -> bool:
        return self._ended

    @property
    def response_encoding(self) -> str | None:
        return self._exchange.response_encoding

    def send(self, message: Any) -> bool:
        if self._ended:
            self.check()
            raise EOFError("the server has ended the call and takes no more messages")
        if self.half_closed:
            raise EOFError("the request was ended and takes no more messages")
        self._exchange.send(message)
        self._waiting_bytes += len(message) if isinstance(message, bytes) else len(message.data)
        self._written.set()
        return self._waiting_bytes < ROOM

    def close_send(self) -> None:
        if not self.half_closed and not self._ended:
            self.half_closed = True
            self._exchange.close_send()
            self._written.set()

    def make(self) -> None:
        """Nothing: its task has begun."""

    def forget(self, future: asyncio.Future[None]) -> None:
        self._waiting = [(other, is_so) for other, is_so in self._waiting if other is not future]

    def when_readable(self, future: asyncio.Future[None]) -> None:
        self._when(future, lambda: bool(self._received))

    def when_head(self, future: asyncio.Future[None]) -> None:
        self._when(future, lambda: self.head() is not None)

    def when_writable(self, future: asyncio.Future[None]) -> None:
        self._when(future, lambda: self._waiting_bytes < ROOM)

    def when_ended(self, future: asyncio.Future[None]) -> None:
        self._when(future, lambda: False)

    def _when(self, future: asyncio.Future[None], is_so: Callable[[], bool]) -> None:
        if future.done():
            return
        if self._ended or is_so():
            future.set_result(None)
        else:
            self._waiting.append((future, is_so))

    def cancel(self) -> None:
        # From any thread: a stream does it wherever it is dropped.
        if self._received and self._waits_for_reader:
            # What is left is dropped, and so this is not all.
            self.is_cancelled = True
            self._received.clear()
            if self._ended:
                self._end = given_up()
        if self._task is not None and not self._ended:
            self.is_cancelled = True
            # A loop that is closed has done away with its tasks.
            with suppress(RuntimeError):
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)
