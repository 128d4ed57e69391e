"""One call, in an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from landbridge._core import PENDING
from landbridge._fairness import IN_A_ROW
from landbridge._operations.chain import Before
from landbridge._operations.ending import (
    failure,
    head_lines,
    is_cancellation,
    stops_the_process,
    tell_done,
    trailer_lines,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from landbridge._operations.calls import AsyncWaits, Call
    from landbridge._operations.operation import Operation
    from landbridge.request import RequestContext


async def run(operation: Operation, call: Call, waits: AsyncWaits, ctx: RequestContext[Any, Any]) -> None:
    """Run the call to its end; it is ended exactly once, whatever happens.

    Cancellation passes through, and what a signal raises. What a handler raises, `SystemExit` too, ends its
    call and not the event loop.
    """
    before = Before(operation.before, ctx) if operation.before else None
    error: BaseException | None = None
    last: bytes | None = None
    try:
        if before is not None:
            await before.start()
        last = await _answer(operation, call, waits, ctx)
    except BaseException as raised:
        error = raised
    if before is not None:
        error = await before.end(error)
    end(operation, call, ctx, last, error)


def end(
    operation: Operation,
    call: Call,
    ctx: RequestContext[Any, Any],
    last: bytes | None,
    error: BaseException | None,
) -> None:
    """End the call with its last message or its error.

    Raises the error again where it is a cancellation, or what a signal raised.
    """
    try:
        if error is None:
            call.finish(last, head_lines(ctx), trailer_lines(ctx))
        elif not isinstance(error, Exception) and is_cancellation(error):
            if not call.is_cancelled:
                call.fail(("canceled", "the handler was cancelled", []))
            raise error
        else:
            call.fail(failure(operation, error), head_lines(ctx), trailer_lines(ctx))
            if stops_the_process(error):
                raise error
    except Exception as unsendable:
        # A header that HTTP cannot carry, or a codec that gives something else than bytes.
        call.fail(failure(operation, unsendable))
    finally:
        if ctx._done_callbacks is not None:
            tell_done(ctx)


async def _answer(
    operation: Operation, call: Call, waits: AsyncWaits, ctx: RequestContext[Any, Any]
) -> bytes | None:
    """Run the handler. Returns the last message where that goes out with the end."""
    codec = call.codec
    request: Any
    if operation.takes_stream:
        request = _messages(operation, call, waits)
    else:
        request = operation.decode(codec, await _only(call, waits))
    try:
        if not operation.gives_stream:
            return operation.encode(codec, await operation.function(request, ctx))
        responses = operation.stream(operation.function(request, ctx))
        number = 0
        try:
            async for response in responses:
                # The head goes out with the first message.
                headers = None if number else head_lines(ctx)
                number += 1
                if not call.send(operation.encode(codec, response), headers):
                    await waits.writable()
                if number % IN_A_ROW == 0:
                    await waits.turn()
        finally:
            close = getattr(responses, "aclose", None)
            if close is not None:
                await close()
        return None
    finally:
        if operation.takes_stream:
            await request.aclose()


async def _only(call: Call, waits: AsyncWaits) -> Any:
    """The one message of the request. The core raises where there is none, or another in place of the end."""
    message = await _next(call, waits)
    await _next(call, waits)
    return message


async def _next(call: Call, waits: AsyncWaits) -> bytes | None:
    message: Any = call.receive()
    while message is PENDING:
        await waits.readable()
        message = call.receive()
    return cast("bytes | None", message)


async def _messages(operation: Operation, call: Call, waits: AsyncWaits) -> AsyncGenerator[Any, None]:
    """The messages of the request."""
    codec = call.codec
    number = 0
    while (message := await _next(call, waits)) is not None:
        yield operation.decode(codec, message)
        number += 1
        if number % IN_A_ROW == 0:
            await waits.turn()
