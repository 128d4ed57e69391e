"""Blocking handlers among asynchronous ones: they run on the thread pool of the loop."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from typing import TYPE_CHECKING, Any

from landbridge.method import StreamType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from landbridge.request import RequestContext

_END = object()


def awaitable(function: Callable[..., Any], stream_type: StreamType) -> Callable[..., Any]:
    """A handler that runs a blocking one on a thread."""
    run = _stream if stream_type in {StreamType.SERVER_STREAM, StreamType.BIDI_STREAM} else _single
    takes_stream = stream_type in {StreamType.CLIENT_STREAM, StreamType.BIDI_STREAM}
    return functools.partial(run, function, takes_stream)


async def _single(
    function: Callable[..., Any], takes_stream: bool, request: Any, ctx: RequestContext[Any, Any]
) -> Any:
    if takes_stream:
        request = _blocking(request, asyncio.get_running_loop())
    response = await asyncio.to_thread(_called, function, request, ctx)
    # A plain function may also hand over what somebody else answers.
    return await response if inspect.isawaitable(response) else response


def _called(function: Callable[..., Any], request: Any, ctx: RequestContext[Any, Any]) -> Any:
    try:
        return function(request, ctx)
    except StopIteration as raised:
        # No future can carry it: the call would never end.
        raise RuntimeError("the handler raised StopIteration") from raised


async def _stream(
    function: Callable[..., Any], takes_stream: bool, request: Any, ctx: RequestContext[Any, Any]
) -> AsyncIterator[Any]:
    loop = asyncio.get_running_loop()
    # One context for all steps, as the generator would have it on a thread of its own.
    context = contextvars.copy_context()
    responses = function(_blocking(request, loop) if takes_stream else request, ctx)
    step: asyncio.Future[Any] | None = None
    try:
        while True:
            step = loop.run_in_executor(None, functools.partial(context.run, next, responses, _END))
            response = await asyncio.shield(step)
            if response is _END:
                return
            yield response
    finally:
        # Cancelled or not: a generator is closed when none of it runs any more.
        if step is not None:
            await asyncio.wait((step,))
        await loop.run_in_executor(None, functools.partial(context.run, responses.close))


def _blocking(messages: AsyncIterator[Any], loop: asyncio.AbstractEventLoop) -> Iterator[Any]:
    async def following() -> Any:
        return await anext(messages, _END)

    while (message := asyncio.run_coroutine_threadsafe(following(), loop).result()) is not _END:
        yield message
