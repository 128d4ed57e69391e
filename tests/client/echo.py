"""A service that the tests of clients call: a method of each kind, and what its handlers have seen."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from google.protobuf.wrappers_pb2 import StringValue
from landbridge.client import ConnectClient
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.method import StreamType

from tests.package.echo import SERVICE, AsyncEcho, method, text

ECHO = method("Echo", StreamType.UNARY)
SUM = method("Sum", StreamType.CLIENT_STREAM)
COUNT = method("Count", StreamType.SERVER_STREAM)
TALK = method("Talk", StreamType.BIDI_STREAM)

__all__ = ["COUNT", "ECHO", "SERVICE", "SUM", "TALK", "Echo", "call_in_time", "text"]


class Echo:
    """Handlers of all four kinds, which wait where the text of a request is `wait`."""

    def __init__(self) -> None:
        self.waiting = threading.Semaphore(0)
        """Released for every handler that begins to wait."""
        self.cancelled = threading.Semaphore(0)
        """Released for every handler that was cancelled."""
        self.sent = 0
        """Messages that `Count` has given."""
        self.received = 0
        """Messages that `Sum` and `Talk` have taken."""
        self.go_on = threading.Event()
        """Set, it lets `Sum` read where the call's header `x-slow` keeps it from that."""

    @property
    def application(self) -> AsyncEcho:
        """The service."""
        return AsyncEcho(
            {
                "Echo": (StreamType.UNARY, self.echo),
                "Sum": (StreamType.CLIENT_STREAM, self.sum),
                "Count": (StreamType.SERVER_STREAM, self.count),
                "Talk": (StreamType.BIDI_STREAM, self.talk),
            }
        )

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """One call of a handler."""
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled.release()
            raise
        except ConnectError as gone:
            # It did not wait in that moment, and is told by the next message it asks for.
            if gone.code is Code.CANCELED:
                self.cancelled.release()
            raise

    async def _wait(self) -> None:
        self.waiting.release()
        await asyncio.Event().wait()

    def await_waiting(self) -> None:
        """Wait until another handler waits."""
        assert self.waiting.acquire(timeout=20)

    def await_cancelled(self) -> None:
        """Wait until another handler was cancelled."""
        assert self.cancelled.acquire(timeout=20)

    async def echo(self, request: StringValue, ctx: Any) -> StringValue:
        """The request, with what it says in metadata."""
        ctx.response_headers.add("x-head", request.value)
        ctx.response_trailers.add("x-tail", request.value)
        with self._watched():
            if request.value == "wait":
                await self._wait()
        return request

    async def sum(self, requests: AsyncIterator[StringValue], ctx: Any) -> StringValue:
        """All requests, joined."""
        if ctx.request_headers.get("x-slow"):
            assert await asyncio.to_thread(self.go_on.wait, 60)
        values = []
        with self._watched():
            async for request in requests:
                self.received += 1
                if request.value == "wait":
                    await self._wait()
                if request.value == "enough":
                    break
                values.append(request.value if len(request.value) < 100 else "")
        return text("+".join(values))

    async def count(self, request: StringValue, ctx: Any) -> AsyncIterator[StringValue]:
        """Numbers up to the one asked for, each with so many bytes as `x-size` says."""
        filler = "." * int(ctx.request_headers.get("x-size") or 0)
        ctx.response_trailers.add("x-tail", request.value)
        with self._watched():
            if request.value == "wait":
                await ctx.send_headers()
                await self._wait()
            for number in range(int(request.value)):
                self.sent += 1
                yield text(f"{number}{filler}")

    async def talk(self, requests: AsyncIterator[StringValue], ctx: Any) -> AsyncIterator[StringValue]:
        """Each request in capitals, as soon as it comes."""
        ctx.response_headers.add("x-head", "talk")
        ctx.response_trailers.add("x-tail", "talk")
        await ctx.send_headers()
        with self._watched():
            async for request in requests:
                self.received += 1
                if request.value == "wait":
                    await self._wait()
                if request.value == "bye":
                    return
                yield text(request.value.upper())


async def call_in_time(client: ConnectClient, echo: Echo) -> None:
    """Make a call whose time is over once its handler runs."""

    async def run_out(limit: asyncio.Timeout) -> None:
        await asyncio.to_thread(echo.await_waiting)
        limit.reschedule(0)

    async with asyncio.timeout(None) as limit:
        running_out = asyncio.create_task(run_out(limit))
        try:
            await client.execute_unary(request=text("wait"), method=ECHO)
        finally:
            await running_out
