"""Threads for the blocking handlers of asynchronous applications, as many as may be and no more."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING

from landbridge.code import Code
from landbridge.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = Callable[[], None]

_IDLE_TIME = 10.0
"""Seconds after which a thread without work leaves."""


def default_number() -> int:
    """How many threads run blocking handlers where nobody has said."""
    return min(32, 4 * (os.cpu_count() or 1))


class HandlerThreads:
    """Runs jobs on threads, each with one at a time, and lets a bounded number of them wait.

    Threads begin when they are needed. They keep no process from ending: a handler may hang.
    """

    def __init__(self, number: int, most_waiting: int) -> None:
        self._number = number
        self._most_waiting = most_waiting
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        """Threads without a job."""
        self._started = 0
        self.is_closed = False

    def put(self, job: Job) -> None:
        """Have a thread run a job, which must not raise.

        Raises `ConnectError` with `RESOURCE_EXHAUSTED` where all threads are busy and no more may wait.
        """
        with self._changed:
            to_come = self._number - len(self._threads)
            if self.is_closed or len(self._waiting) >= self._most_waiting + self._idle + to_come:
                message = "every handler thread of the server is busy and its queue is full: try again later"
                raise ConnectError(Code.RESOURCE_EXHAUSTED, message)
            if len(self._waiting) >= self._idle and to_come:
                self._start_thread()
            self._waiting.append(job)
            self._changed.notify()

    def withdraw(self, job: Job) -> None:
        """Take a job back, unless it was begun."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)

    def close(self) -> None:
        """Let the threads leave once they have nothing to do."""
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()

    def join(self, timeout: float) -> int:
        """Close, and wait for the threads to leave.

        Returns how many are still at work after `timeout` seconds.
        """
        self.close()
        end = time.monotonic() + timeout
        with self._changed:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        return sum(thread.is_alive() for thread in threads)

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"landbridge-handler-{self._started}", daemon=True)
        thread.start()
        self._started += 1
        self._idle += 1
        self._threads.add(thread)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            job()
            # Nothing of a call outlives it here.
            del job
            with self._changed:
                self._idle += 1

    def _next(self) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self.is_closed, _IDLE_TIME)
            self._idle -= 1
            if self._waiting:
                return self._waiting.popleft()
            self._threads.discard(threading.current_thread())
            return None


OF_SERVER: ContextVar[HandlerThreads] = ContextVar("landbridge-handler-threads")
"""Those of the native server that a task belongs to."""


def current() -> HandlerThreads:
    """The threads for a handler that is called now: its server's, under ASGI those of the process."""
    found = OF_SERVER.get(None)
    # A task may outlive its server.
    return _of_process(os.getpid()) if found is None or found.is_closed else found


@functools.cache
def _of_process(_pid: int) -> HandlerThreads:
    # Where no server of ours runs, it is only wanted for its defaults.
    from landbridge.serving.limits import Limits  # noqa: PLC0415

    return HandlerThreads(default_number(), Limits().max_waiting_calls)
