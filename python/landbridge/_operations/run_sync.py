"""One call, on a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from landbridge._operations.chain import Before
from landbridge._operations.ending import (
    failure,
    head_lines,
    stops_the_process,
    tell_done,
    trailer_lines,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from landbridge._operations.calls import SyncCall
    from landbridge._operations.operation import Operation
    from landbridge.request import RequestContext


def run_sync(
    operation: Operation, call: SyncCall, ctx: RequestContext[Any, Any]
) -> Generator[None, None, None]:
    """Run the call to its end; it is ended exactly once, whatever happens.

    Yields where what was given to the call has to leave before there is room for more. Closed there, it
    closes the handler. What a signal raises passes through, and nothing else does: `SystemExit` of a handler
    ends its call and not the process.
    """
    before = Before(operation.before, ctx) if operation.before else None
    error: BaseException | None = None
    last: bytes | None = None
    try:
        if before is not None:
            before.start_sync()
        last = yield from _answer(operation, call, ctx)
    except BaseException as raised:
        error = raised
    if before is not None:
        error = before.end_sync(error)
    try:
        if error is None:
            call.finish(last, head_lines(ctx), trailer_lines(ctx))
        elif isinstance(error, GeneratorExit):
            call.fail(("canceled", "the server gave the call up", []))
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


def _answer(
    operation: Operation, call: SyncCall, ctx: RequestContext[Any, Any]
) -> Generator[None, None, bytes | None]:
    """Run the handler. Returns the last message where that goes out with the end."""
    codec = call.codec
    request = _messages(operation, call) if operation.takes_stream else operation.decode(codec, _only(call))
    if not operation.gives_stream:
        return operation.encode(codec, operation.function(request, ctx))
    responses = operation.stream(operation.function(request, ctx))
    is_first = True
    try:
        for response in responses:
            # The head goes out with the first message.
            headers = head_lines(ctx) if is_first else None
            is_first = False
            if not call.send(operation.encode(codec, response), headers):
                yield
    finally:
        close = getattr(responses, "close", None)
        if close is not None:
            close()
    return None


def _only(call: SyncCall) -> Any:
    """The one message of the request. The core raises where there is none, or another in place of the end."""
    message = call.receive_blocking()
    call.receive_blocking()
    return message


def _messages(operation: Operation, call: SyncCall) -> Iterator[Any]:
    """The messages of the request."""
    codec = call.codec
    while (message := call.receive_blocking()) is not None:
        yield operation.decode(codec, message)
