"""Calls of ASGI servers that run trio. Imported where one does, so nobody else needs trio."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import trio

from landbridge._asgi import AFTER_DEADLINE

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from landbridge._asgi import AsgiCall

event = trio.Event
lock = trio.Lock
turn = trio.lowlevel.checkpoint

_LAST_WORDS = 1.0
"""Seconds that an answer which is cut by its deadline may take to leave."""


async def work(call: AsgiCall, handler: Coroutine[Any, Any, None], /) -> None:
    """Run the handler; the deadline and a caller who goes away cancel it."""
    timeout_ms = call.timeout_ms()
    scope = trio.CancelScope()
    if timeout_ms is not None:
        scope.deadline = trio.current_time() + max(0.0, timeout_ms / 1000) + AFTER_DEADLINE
    problem: Exception | None = None

    async def watch() -> None:
        await call.take_arrivals()
        scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        # What is raised in here would leave the nursery in a group.
        try:
            with scope:
                await handler
                await call.writable()
        except Exception as raised:
            problem = raised
        scope.deadline = math.inf
        nursery.cancel_scope.cancel()
    if scope.cancelled_caught and not call.is_gone:
        with trio.move_on_after(_LAST_WORDS):
            await call.tell_lateness()
    if problem is not None:
        raise problem
