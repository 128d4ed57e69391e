"""Calls on threads, for handlers that block."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from landbridge._operations.own_compression import plain
from landbridge._operations.run_sync import run_sync
from landbridge.errors import ConnectError
from landbridge.request import RequestContext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from landbridge._core import Call, Server
    from landbridge._operations.operation import Operation


class Threads:
    """A pool of threads, each with one call at a time. They leave when the server is done."""

    def __init__(self, server: Server, operations: Sequence[Operation], number: int) -> None:
        self._server = server
        self._operations = operations
        self._threads = [
            threading.Thread(target=self._work, name=f"landbridge-handler-{index}", daemon=True)
            for index in range(number)
        ]

    def start(self) -> None:
        """Begin to take calls."""
        for thread in self._threads:
            thread.start()

    def join(self, timeout: float) -> int:
        """Wait for the threads to leave, which they do once the server is done and their calls are.

        Returns how many are still at work after `timeout` seconds.
        """
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return sum(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (call := self._server.take_blocking()) is not None:
            operation = self._operations[call.method]
            _run(operation, plain(operation, call))
            # Nothing of a call outlives it here.
            del call


def _run(operation: Operation, call: Call) -> None:
    ctx: RequestContext[Any, Any] = RequestContext._of(operation.method, call, call.send_headers)
    steps = run_sync(operation, call, ctx)
    # What comes out of it was told to the caller and logged. The thread lives on, to take other calls.
    with contextlib.suppress(BaseException):
        next(steps)
        while True:
            try:
                call.wait_for_room_blocking()
            except ConnectError as gone:
                steps.throw(gone)
            else:
                next(steps)
