"""How a call ends, by what its handler did."""

from __future__ import annotations

import logging
import signal
import threading
from typing import TYPE_CHECKING, Any

from landbridge._operations.operation import UnexpectedResponseError
from landbridge._signals import raised_by_a_signal
from landbridge.code import Code
from landbridge.errors import ConnectError, _given

if TYPE_CHECKING:
    from landbridge._headers import Lines
    from landbridge._operations.calls import Failure
    from landbridge._operations.operation import Operation
    from landbridge.request import RequestContext

logger = logging.getLogger("landbridge")


def failure(operation: Operation, raised: BaseException) -> Failure:
    """The error that the caller is told. What was not meant for callers is logged instead."""
    if isinstance(raised, ConnectError):
        return _given(raised)
    if isinstance(raised, UnexpectedResponseError):
        # Where it was noticed says nothing.
        logger.error("%s", raised)
        hidden = "the handler gave no response that can be sent; the server has logged what"
        return "internal", str(raised) if operation.shows_exceptions else hidden, []
    logger.error("the handler of %s failed", operation.path, exc_info=raised)
    if operation.shows_exceptions:
        return "unknown", f"{type(raised).__name__}: {raised}", []
    return "unknown", "the handler failed with an exception, which the server has logged", []


def head_lines(ctx: RequestContext[Any, Any]) -> Lines | None:
    """What the handler has put into the head, if anything."""
    headers = ctx._response_headers
    return None if headers is None else headers._lines()


def trailer_lines(ctx: RequestContext[Any, Any]) -> Lines | None:
    """What the handler has put into the trailers, if anything."""
    trailers = ctx._response_trailers
    return None if trailers is None else trailers._lines()


def tell_done(ctx: RequestContext[Any, Any]) -> None:
    """Call those who asked to be told."""
    callbacks, ctx._done_callbacks = ctx._done_callbacks, None
    for callback in callbacks or ():
        try:
            callback()
        except BaseException as raised:
            logger.exception("a callback of on_done failed")
            if stops_the_process(raised):
                raise


def is_cancellation(error: BaseException) -> bool:
    """Whether the event loop says so, asyncio's or trio's."""
    return type(error).__name__ in {"CancelledError", "Cancelled"}


def gone(ctx: RequestContext[Any, Any]) -> ConnectError:
    """How a call has failed whose caller is gone, or was told that the deadline has passed."""
    left = ctx.timeout_ms
    if left is not None and left <= 0:
        message = "the deadline has passed before the call was answered"
        return ConnectError(Code.DEADLINE_EXCEEDED, message)
    return ConnectError(Code.CANCELED, "the call was cancelled")


def stops_the_process(raised: BaseException) -> bool:
    """Whether this is the word of a signal that came while a handler ran, and not the handler's own.

    An interrupt at the terminal is, and what a handler of signals raises; both come in the main thread.
    """
    if isinstance(raised, Exception) or threading.current_thread() is not threading.main_thread():
        return False
    if (
        isinstance(raised, KeyboardInterrupt)
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):
        return True
    return raised_by_a_signal(raised)
