"""How an event loop waits for a call that is carried: a task of the loop's carries it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from landbridge.client._carried import CarriedCall, CarriedStarter
from landbridge.client._httpx import over_httpx
from landbridge.client._in_memory import InMemory, InMemorySync

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from landbridge._core import ClientExchange
    from landbridge.client._configuration import Configuration
    from landbridge.method import MethodInfo


def starter(
    http_client: Any, configuration: Configuration
) -> Callable[[MethodInfo[Any, Any]], CarriedStarter]:
    """Starts calls over the client that was given. Raises `TypeError` for one that is not known."""
    if isinstance(http_client, InMemory):
        carrier: Any = http_client._carry
    elif isinstance(http_client, InMemorySync):
        raise TypeError("an InMemorySync application is called by a blocking client; give InMemory")
    else:
        carrier = over_httpx(http_client, configuration)
    return lambda method: CarriedStarter(AsyncCarriedCall, carrier, configuration, method)


class AsyncCarriedCall(CarriedCall):
    """One call, as `AsyncOutbound` has it. Only `cancel` is for other threads than the loop's."""

    _task: asyncio.Task[None]

    def __init__(
        self, exchange: ClientExchange, carrier: Any, timeout: float | None, gives_stream: bool
    ) -> None:
        super().__init__(exchange, carrier, timeout, gives_stream)
        self._waiting: list[tuple[asyncio.Future[None], Callable[[], bool] | None]] = []
        self._written = asyncio.Event()
        self._taken = asyncio.Event()
        self._tell_written = self._written.set
        self._tell_taken = self._taken.set

    def begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(self._over)

    def make(self) -> None:
        """Nothing: its task has begun."""

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(self._timeout) as limit:
                await self._carrier(*self._request(), self._timeout, self)
        except TimeoutError as error:
            if limit.expired():
                self._run_out()
            else:
                # An application in memory has raised one of its own.
                self.fail(error)
        except Exception as error:
            self.fail(error)

    def _over(self, task: asyncio.Task[None]) -> None:
        # It may have been cancelled before it did anything, and by others than `cancel`.
        if task.cancelled():
            self._be_given_up()

    def _stop_carrier(self) -> None:
        # A loop that is closed has done away with its tasks.
        with suppress(RuntimeError):
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    async def _content(self, content: bytes) -> AsyncIterator[bytes]:
        is_whole = False
        while True:
            if content:
                yield content
            self._waiting_bytes = 0
            self._tell_caller()
            if is_whole:
                return
            await self._written.wait()
            self._written.clear()
            _, content, is_whole = self._exchange.take_request()

    async def push(self, data: bytes) -> None:
        """Take content of the response; waits while the caller has enough of it."""
        self._exchange.push(data)
        self._read()
        self._tell_caller()
        while self._waits_for_reader and self._received and not self._ended:
            self._taken.clear()
            await self._taken.wait()

    def when_readable(self, future: asyncio.Future[None]) -> None:
        self._when(future, self._is_readable)

    def when_head(self, future: asyncio.Future[None]) -> None:
        self._when(future, self._has_head)

    def when_writable(self, future: asyncio.Future[None]) -> None:
        self._when(future, self._has_room)

    def when_ended(self, future: asyncio.Future[None]) -> None:
        self._when(future, None)

    def _when(self, future: asyncio.Future[None], is_so: Callable[[], bool] | None) -> None:
        if future.done():
            return
        if self._ended or (is_so is not None and is_so()):
            future.set_result(None)
        else:
            self._waiting.append((future, is_so))

    def forget(self, future: asyncio.Future[None]) -> None:
        self._waiting = [(other, is_so) for other, is_so in self._waiting if other is not future]

    def _tell_caller(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future, is_so in waiting:
            self._when(future, is_so)
