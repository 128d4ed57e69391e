"""Calls of ASGI servers that run trio. Imported where one does, so nobody else needs trio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from landbridge._asgi import AFTER_DEADLINE, LAST_WORDS

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from landbridge._asgi import AsgiCall

event = trio.Event
lock = trio.Lock
turn = trio.lowlevel.checkpoint


async def within(seconds: float, waiting: Coroutine[Any, Any, None], /) -> None:
    """Wait for it, but no longer than that."""
    with trio.move_on_after(seconds):
        await waiting


async def work(call: AsgiCall, handler: Coroutine[Any, Any, None], /) -> None:
    """Run the handler and conclude the call; the deadline and a caller who goes away cancel it."""
    timeout_ms = call.timeout_ms()
    scope = trio.CancelScope()
    problem: Exception | None = None

    async def watch() -> None:
        await call.take_arrivals()
        scope.cancel()

    async def cut(after: float) -> None:
        await trio.sleep(after)
        with trio.move_on_after(LAST_WORDS):
            await call.between_writes(scope.cancel)
        scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        if timeout_ms is not None:
            nursery.start_soon(cut, max(0.0, timeout_ms / 1000) + AFTER_DEADLINE)
        # What is raised in here would leave the nursery in a group.
        try:
            with scope:
                await handler
                await call.conclude()
        except Exception as raised:
            problem = raised
        nursery.cancel_scope.cancel()
    if scope.cancelled_caught and not call.is_gone:
        await within(LAST_WORDS, call.tell_lateness())
    if problem is not None:
        raise problem
