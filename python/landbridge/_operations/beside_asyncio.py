"""Threads beside asyncio."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class BesideAsyncio:
    """The running loop of asyncio, or of uvloop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.event = asyncio.Event

    def call(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have a function called in the loop."""
        self._loop.call_soon_threadsafe(function, *arguments)

    def start(self, work: Coroutine[Any, Any, None], /) -> Callable[[], Coroutine[Any, Any, None]]:
        """Start a task."""
        task = self._loop.create_task(work)

        async def stop() -> None:
            task.cancel()
            await asyncio.wait((task,))

        return stop
