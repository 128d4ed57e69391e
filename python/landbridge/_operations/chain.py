"""Interceptors around a handler."""

from __future__ import annotations

import functools
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any

from landbridge._kinds import gives_stream
from landbridge._operations.ending import gone
from landbridge._settings import described
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.method import StreamType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

    from landbridge.request import RequestContext

_NAMES = {
    StreamType.UNARY: "intercept_unary",
    StreamType.CLIENT_STREAM: "intercept_client_stream",
    StreamType.SERVER_STREAM: "intercept_server_stream",
    StreamType.BIDI_STREAM: "intercept_bidi_stream",
}


def checked(interceptors: Iterable[Any], *, sync: bool) -> list[Any]:
    """The interceptors, each of which has something to do.

    Raises `TypeError` that names the first that has not, and what it could have.
    """
    try:
        given = list(interceptors)
    except TypeError:
        message = f"interceptors is {described(interceptors)}: it must be a list of interceptors"
        raise TypeError(message) from None
    suffix, other = ("_sync", "") if sync else ("", "_sync")
    kind, other_kind = ("blocking", "asynchronous") if sync else ("asynchronous", "blocking")
    for index, interceptor in enumerate(given):
        what = f"interceptors[{index}] is {described(interceptor)}"
        if isinstance(interceptor, type):
            raise TypeError(f"{what}: give an instance of it")
        if hasattr(interceptor, f"on_start{suffix}") and not hasattr(interceptor, f"on_end{suffix}"):
            raise TypeError(f"{what}, which has on_start{suffix} and lacks on_end{suffix}")
        if not any(hasattr(interceptor, f"{name}{suffix}") for name in ("on_start", *_NAMES.values())):
            names = ", ".join(f"{name}{suffix}" for name in _NAMES.values())
            message = (
                f"{what}, which does nothing for {kind} calls: it has neither on_start{suffix} nor {names}"
            )
            others = [f"{name}{other}" for name in ("on_start", *_NAMES.values())]
            found = [name for name in others if hasattr(interceptor, name)]
            raise TypeError(message + (f"; {', '.join(found)} is for {other_kind} ones" if found else ""))
    return given


def hoisted(interceptors: Iterable[Any], *, sync: bool) -> tuple[Sequence[Any], Sequence[Any]]:
    """Those metadata interceptors that stand first, and the rest in order."""
    everything = checked(interceptors, sync=sync)
    start = "on_start_sync" if sync else "on_start"
    for index, interceptor in enumerate(everything):
        sees_messages = any(
            hasattr(interceptor, name + ("_sync" if sync else "")) for name in _NAMES.values()
        )
        if sees_messages or not hasattr(interceptor, start):
            return everything[:index], everything[index:]
    return everything, ()


def around(
    function: Callable[..., Any], interceptors: Sequence[Any], stream_type: StreamType, *, sync: bool
) -> Callable[..., Any]:
    """The function with the interceptors around it, the first of them outermost."""
    name = _NAMES[stream_type] + ("_sync" if sync else "")
    start = "on_start_sync" if sync else "on_start"
    gives = gives_stream(stream_type)
    for interceptor in reversed(interceptors):
        # One object may do both; as a metadata interceptor it stands around itself.
        if hasattr(interceptor, name):
            intercept = getattr(interceptor, name)
            if gives:
                intercept = functools.partial(_tidied, intercept)
            function = functools.partial(intercept, function)
        if hasattr(interceptor, start):
            function = functools.partial(_MARKED[sync, gives], interceptor, function)
    return function


def _tidied(
    intercept: Callable[..., Any],
    call_next: Callable[..., Any],
    request: Any,
    ctx: RequestContext[Any, Any],
) -> Any:
    """The responses of an interceptor. With them ends what it has called, also where it has not read all."""
    inner: list[Any] = []

    def remembered(request: Any, ctx: RequestContext[Any, Any]) -> Any:
        responses = call_next(request, ctx)
        inner.append(responses)
        return responses

    responses = intercept(remembered, request, ctx)
    if hasattr(responses, "__aiter__"):
        return _all_of(responses, inner)
    # What is no stream at all is refused where the last has had its turn.
    return _all_of_sync(responses, inner) if hasattr(responses, "__iter__") else responses


async def _all_of(responses: Any, inner: list[Any]) -> AsyncIterator[Any]:
    try:
        async for response in responses:
            yield response
    finally:
        async with AsyncExitStack() as stack:
            for opened in (*inner, responses):
                # Whoever runs one in a task of its own ends it there.
                if hasattr(opened, "aclose") and not getattr(opened, "ag_running", False):
                    stack.push_async_callback(opened.aclose)


def _all_of_sync(responses: Any, inner: list[Any]) -> Iterator[Any]:
    try:
        yield from responses
    finally:
        with ExitStack() as stack:
            for opened in (*inner, responses):
                # Whoever runs one on a thread of its own ends it there.
                if hasattr(opened, "close") and not getattr(opened, "gi_running", False):
                    stack.callback(opened.close)


async def _marked(
    interceptor: Any, call_next: Callable[..., Any], request: Any, ctx: RequestContext[Any, Any]
) -> Any:
    token = await interceptor.on_start(ctx)
    error: Exception | None = None
    try:
        return await call_next(request, ctx)
    except BaseException as raised:
        error = seen(raised, ctx)
        raise
    finally:
        await interceptor.on_end(token, ctx, error)


async def _marked_stream(
    interceptor: Any, call_next: Callable[..., Any], request: Any, ctx: RequestContext[Any, Any]
) -> AsyncIterator[Any]:
    token = await interceptor.on_start(ctx)
    error: Exception | None = None
    responses = call_next(request, ctx)
    try:
        async for response in responses:
            yield response
    except BaseException as raised:
        error = seen(raised, ctx)
        raise
    finally:
        try:
            close = getattr(responses, "aclose", None)
            if close is not None:
                await close()
        finally:
            await interceptor.on_end(token, ctx, error)


def _marked_sync(
    interceptor: Any, call_next: Callable[..., Any], request: Any, ctx: RequestContext[Any, Any]
) -> Any:
    token = interceptor.on_start_sync(ctx)
    error: Exception | None = None
    try:
        return call_next(request, ctx)
    except BaseException as raised:
        error = seen(raised, ctx)
        raise
    finally:
        interceptor.on_end_sync(token, ctx, error)


def _marked_stream_sync(
    interceptor: Any, call_next: Callable[..., Any], request: Any, ctx: RequestContext[Any, Any]
) -> Iterator[Any]:
    token = interceptor.on_start_sync(ctx)
    error: Exception | None = None
    responses = call_next(request, ctx)
    try:
        yield from responses
    except BaseException as raised:
        error = seen(raised, ctx)
        raise
    finally:
        interceptor.on_end_sync(token, ctx, error)


_MARKED: dict[tuple[bool, bool], Callable[..., Any]] = {
    (False, False): _marked,
    (False, True): _marked_stream,
    (True, False): _marked_sync,
    (True, True): _marked_stream_sync,
}


def seen(raised: BaseException, ctx: RequestContext[Any, Any]) -> Exception:
    """What an interceptor is told of what ended a call."""
    if isinstance(raised, Exception):
        return raised
    if isinstance(raised, (SystemExit, KeyboardInterrupt)):
        return ConnectError(Code.UNKNOWN, f"the call failed with {type(raised).__name__}")
    # A cancelled task, or a generator that is closed.
    return gone(ctx)


class Before:
    """The hoisted metadata interceptors of one call: those that have started are ended, the last first."""

    __slots__ = ("_ctx", "_interceptors", "_started")

    def __init__(self, interceptors: Sequence[Any], ctx: RequestContext[Any, Any]) -> None:
        self._interceptors = interceptors
        self._ctx = ctx
        self._started: list[tuple[Any, Any]] = []

    async def start(self) -> None:
        """Start them in order. Where one raises, the others are not started."""
        for interceptor in self._interceptors:
            self._started.append((interceptor, await interceptor.on_start(self._ctx)))

    async def end(self, error: BaseException | None) -> BaseException | None:
        """End those that have started, and say how the call has failed by their word."""
        while self._started:
            interceptor, token = self._started.pop()
            try:
                await interceptor.on_end(token, self._ctx, None if error is None else seen(error, self._ctx))
            except BaseException as raised:
                error = raised
        return error

    def start_sync(self) -> None:
        """As `start`."""
        for interceptor in self._interceptors:
            self._started.append((interceptor, interceptor.on_start_sync(self._ctx)))

    def end_sync(self, error: BaseException | None) -> BaseException | None:
        """As `end`."""
        while self._started:
            interceptor, token = self._started.pop()
            try:
                interceptor.on_end_sync(token, self._ctx, None if error is None else seen(error, self._ctx))
            except BaseException as raised:
                error = raised
        return error
