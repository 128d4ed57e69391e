"""Calls of ASGI servers that run asyncio."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from landbridge._asgi import AFTER_DEADLINE, LAST_WORDS

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from landbridge._asgi import AsgiCall

event = asyncio.Event
lock = asyncio.Lock


async def turn() -> None:
    """Let others have a turn."""
    await asyncio.sleep(0)


async def within(seconds: float, waiting: Coroutine[Any, Any, None], /) -> None:
    """Wait for it, but no longer than that."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await waiting


async def work(call: AsgiCall, handler: Coroutine[Any, Any, None], /) -> None:
    """Run the handler and conclude the call; the deadline and a caller who goes away cancel it."""
    task = asyncio.ensure_future(handler)
    arrivals = asyncio.ensure_future(call.take_arrivals())
    timeout_ms = call.timeout_ms()
    try:
        await asyncio.wait(
            (task, arrivals),
            timeout=None if timeout_ms is None else max(0.0, timeout_ms / 1000) + AFTER_DEADLINE,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not task.done():
            # The deadline, unless the caller has gone away.
            is_late = not arrivals.done()
            if is_late:
                await _cut(task, call)
            else:
                task.cancel()
            await asyncio.wait((task,))
            if is_late:
                await within(LAST_WORDS, call.tell_lateness())
        elif task.cancelled() or task.exception() is None:
            # Cancelled, then, by what the handler has waited for; its failure is written.
            left_ms = call.timeout_ms()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(
                    None if left_ms is None else max(0.0, left_ms / 1000) + LAST_WORDS
                ):
                    await call.conclude()
    finally:
        for running in (task, arrivals):
            running.cancel()
        await asyncio.gather(task, arrivals, return_exceptions=True)
    if not task.cancelled() and (problem := task.exception()) is not None:
        raise problem


async def _cut(task: asyncio.Task[None], call: AsgiCall) -> None:
    """Cancel the handler, once: a second time would cut short what it does on its way out."""
    try:
        async with asyncio.timeout(LAST_WORDS):
            await call.between_writes(task.cancel)
    except TimeoutError:
        task.cancel()
