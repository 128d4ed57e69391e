"""What a thread and an event loop need of each other, in any loop."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Event(Protocol):
    """Something that happens once."""

    def set(self) -> None:
        """It has happened."""
        ...

    async def wait(self) -> Any:
        """Wait until it has."""
        ...


class Beside(Protocol):
    """The event loop that runs now, for threads beside it. Made in the loop."""

    def event(self) -> Event:
        """Something to wait for in the loop."""
        ...

    def call(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have a function called in the loop, by any thread. Raises `RuntimeError` once the loop is over."""
        ...

    def start(self, work: Coroutine[Any, Any, None], /) -> Callable[[], Coroutine[Any, Any, None]]:
        """Start a task, which must raise nothing. What this gives cancels it and waits for its end."""
        ...


def runs_trio() -> bool:
    """Whether the running event loop is trio's; otherwise it is asyncio's."""
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_run())


def beside() -> Beside:
    """The event loop that runs now."""
    if runs_trio():
        from landbridge._operations.beside_trio import BesideTrio  # noqa: PLC0415

        return BesideTrio()
    from landbridge._operations.beside_asyncio import BesideAsyncio  # noqa: PLC0415

    return BesideAsyncio()
