"""Which exceptions are the word of a signal: its handler raises in the middle of whatever runs."""

from __future__ import annotations

import functools
import signal
import threading
import traceback
from typing import Any


def raised_by_a_signal(raised: BaseException) -> bool:
    """Whether a handler of signals has raised it: in the main thread, between any two steps of Python's."""
    if threading.current_thread() is not threading.main_thread():
        return False
    handlers = {_code(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    return any(frame.f_code in handlers for frame, _ in traceback.walk_tb(raised.__traceback__))


def _code(handler: Any) -> Any:
    """The code of a function, which may be a method or a `functools.partial`."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    return getattr(handler, "__code__", None)
