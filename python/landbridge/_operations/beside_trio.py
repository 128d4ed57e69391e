"""Threads beside trio. Imported where trio runs, so nobody else needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class BesideTrio:
    """The running loop of trio."""

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self.event = trio.Event

    def call(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have a function called in the loop."""
        self._token.run_sync_soon(function, *arguments)

    def start(self, work: Coroutine[Any, Any, None], /) -> Callable[[], Coroutine[Any, Any, None]]:
        """Start a task."""
        scope = trio.CancelScope()
        ended = trio.Event()

        async def run() -> None:
            try:
                with scope:
                    await work
            finally:
                ended.set()

        async def stop() -> None:
            scope.cancel()
            # Whoever waits may be cancelled, too.
            with trio.CancelScope(shield=True):
                await ended.wait()

        trio.lowlevel.spawn_system_task(run)
        return stop
