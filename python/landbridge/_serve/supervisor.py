"""Keeps worker processes running.

One loop takes what happens, one thing after another: signals, exits of workers, their words, files that
change. Each only says what is so from now on; `_settle` then does what that asks for, and what it is time
for. So everything is handled in every state: a worker may die while others are replaced, and nothing keeps a
signal waiting.
"""

from __future__ import annotations

import logging
import math
import os
import selectors
import signal
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from landbridge._serve.addresses import Addresses
from landbridge._serve.channel import Word
from landbridge._serve.files import Files
from landbridge._serve.places import Place, State, Worker

if TYPE_CHECKING:
    from landbridge._serve.options import Options

logger = logging.getLogger("landbridge")

_START_TIME = 60.0
"""Seconds that a worker may take until it serves."""

_LEAVING_TIME = 15.0
"""Seconds that a worker may take to leave once its calls are cut."""

_QUICK_DEATH = 1.0
"""A worker that dies sooner after it began to serve, or does not start, is replaced after as many seconds."""

_QUEUE_TIME = 5.0
"""Seconds that connections wait for who replaces a worker that died."""

_FILES_LOOKED_AT = 0.5
"""Seconds between two looks at the files of a server that is started anew when they change."""


def supervise(options: Options, arguments: list[str]) -> int:
    """Have workers serve as the command line says; the exit status."""
    try:
        addresses = Addresses(options.host, options.port)
    except OSError as problem:
        logger.error("%s", problem)
        return 1
    workers = "1 worker" if options.workers == 1 else f"{options.workers} workers"
    logger.info("%s on %s port %d", workers, options.host, addresses.port)
    with closing(addresses):
        return Supervisor(options, arguments, addresses).run()


class Supervisor:
    """Runs the workers of one command line until it is told to stop."""

    def __init__(self, options: Options, arguments: list[str], addresses: Addresses) -> None:
        self._options = options
        self._arguments = arguments
        self._addresses = addresses
        self._places = [Place(number) for number in range(options.workers)]
        self._has_served = False
        """Whether any worker ever has: the first shows whether the application works at all."""
        self._restarts = 0
        """Restarts that were asked for."""
        self._files = Files(options.app_dir) if options.reload else None
        self._files_looked_at = 0.0
        self._is_stopping = False
        self._status = 0
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Serve until a signal ends it; the exit status."""
        self._catch_signals()
        with self._selector:
            self._settle()
            while not self._is_stopping or self._workers():
                for key, _ in self._selector.select(self._time_left()):
                    key.data()
                self._settle()
        return self._status

    def _workers(self) -> list[Worker]:
        return [worker for place in self._places for worker in place.workers]

    # What happens.

    def _catch_signals(self) -> None:
        """Have the numbers of signals come by a pipe."""
        signals, signalled = os.pipe()
        os.set_blocking(signalled, False)
        signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._selector.register(signals, selectors.EVENT_READ, partial(self._on_signals, signals))

    def _on_signals(self, signals: int) -> None:
        for number in os.read(signals, 4096):
            match number:
                case signal.SIGTERM | signal.SIGINT:
                    self._on_stop()
                case signal.SIGHUP:
                    self._on_restart()
                case signal.SIGCHLD:
                    for worker in self._workers():
                        if (status := worker.process.poll()) is not None:
                            self._on_exit(worker, status)

    def _on_stop(self) -> None:
        if self._is_stopping:
            for worker in self._workers():
                worker.hurry()
        else:
            logger.info("stopping %d workers", len(self._workers()))
            self._stop()

    def _on_restart(self) -> None:
        self._restarts += 1
        for place in self._places:
            place.is_outdated = True
            place.opens = 0.0

    def _on_words(self, worker: Worker) -> None:
        if worker.channel.is_closed:
            return
        words = worker.channel.heard()
        if words is None:
            self._hear_no_more(worker)
        for word in words or ():
            match word:
                case _ if worker.state is State.LEAVING:
                    # It was told to, whatever it was about to do.
                    pass
                case Word.ASKS:
                    self._give_sockets(worker)
                case Word.SERVES:
                    self._on_serving(worker)
                case Word.LEAVES:
                    # Somebody else has told it to.
                    logger.info("worker %d leaves; starting another", worker.place.number)
                    self._is_leaving(worker)

    def _on_serving(self, worker: Worker) -> None:
        place, self._has_served = worker.place, True
        old = place.worker(State.SERVING)
        if old is not None:
            self._leave(old)
        place.closes = math.inf
        worker.becomes(State.SERVING, now=time.monotonic())

    def _on_exit(self, worker: Worker, status: int) -> None:
        # What it has said last comes first.
        self._on_words(worker)
        self._hear_no_more(worker)
        worker.place.workers.remove(worker)
        if worker.state is State.STARTING:
            self._on_failed_start(worker, status)
        elif worker.state is State.SERVING:
            logger.error("worker %d ended with status %d; starting another", worker.place.number, status)
            now = time.monotonic()
            worker.place.closes = now + _QUEUE_TIME
            if now - worker.since < _QUICK_DEATH:
                worker.place.opens = now + _QUICK_DEATH

    def _on_failed_start(self, worker: Worker, status: int) -> None:
        place = worker.place
        if status != 1:
            logger.error("worker %d ended with status %d before it served", place.number, status)
        elif self._has_served:
            logger.error("worker %d does not start; what it said is above", place.number)
        is_latest = worker.restarts == self._restarts
        if place.worker(State.SERVING) is not None:
            if is_latest:
                # The others would fare no better.
                logger.error("worker %d stays as it is", place.number)
                for other in self._places:
                    other.is_outdated = False
            return
        # Who waits for it is told rather than kept waiting.
        place.close()
        if self._files is not None:
            if is_latest:
                logger.info("waiting for a file to change")
                place.opens = math.inf
        elif self._has_served:
            place.opens = time.monotonic() + _QUICK_DEATH
        else:
            self._status = 1
            self._stop()

    def _hear_no_more(self, worker: Worker) -> None:
        if not worker.channel.is_closed:
            self._selector.unregister(worker.channel)
            worker.channel.close()

    # What is to be done.

    def _settle(self) -> None:
        now = time.monotonic()
        for worker in self._workers():
            if worker.deadline <= now:
                what = "begun to serve" if worker.state is State.STARTING else "left"
                logger.error("worker %d has not %s in time; killing it", worker.place.number, what)
                worker.kill()
        if self._is_stopping:
            return
        if self._files is not None and self._files_looked_at + _FILES_LOOKED_AT <= now:
            self._look_at_files(self._files, now)
        for place in self._places:
            if place.closes <= now:
                place.close()
            if self._is_wanting(place) and place.opens <= now:
                self._start(place, now)
        # One after another, so that those who serve have the processors for themselves.
        if not any(place.worker(State.STARTING) for place in self._places):
            outdated = next((place for place in self._places if self._is_replaceable(place)), None)
            if outdated is not None:
                self._start(outdated, now)

    def _is_wanting(self, place: Place) -> bool:
        """Whether it is without a worker. The first of all shows whether there is any use in others."""
        return place.is_vacant and (self._has_served or place is self._places[0])

    def _is_replaceable(self, place: Place) -> bool:
        """Whether its worker is to be replaced now. Processes that leave do not pile up behind it."""
        return (
            place.is_outdated
            and place.worker(State.SERVING) is not None
            and place.worker(State.LEAVING) is None
        )

    def _time_left(self) -> float | None:
        """Seconds to the next thing that it will be time for."""
        times = [worker.deadline for worker in self._workers()]
        if not self._is_stopping:
            times += [place.closes for place in self._places]
            times += [place.opens for place in self._places if self._is_wanting(place)]
            times += [] if self._files is None else [self._files_looked_at + _FILES_LOOKED_AT]
        first = min(times, default=math.inf)
        return None if first == math.inf else max(0.0, first - time.monotonic())

    def _look_at_files(self, files: Files, now: float) -> None:
        self._files_looked_at = now
        if files.have_changed():
            logger.info("files have changed; starting anew")
            self._on_restart()
            for worker in self._workers():
                if worker.state is State.LEAVING:
                    # Nobody wants to wait for what the version before the last still does.
                    worker.hurry()

    def _start(self, place: Place, now: float) -> None:
        place.is_outdated = False
        try:
            worker = Worker.start(
                place, self._arguments, restarts=self._restarts, now=now, patience=_START_TIME
            )
        except OSError as problem:
            logger.error("cannot start a process for worker %d: %s", place.number, problem)
            place.opens = now + _QUICK_DEATH
            return
        place.workers.append(worker)
        self._selector.register(worker.channel, selectors.EVENT_READ, partial(self._on_words, worker))

    def _give_sockets(self, worker: Worker) -> None:
        """Have it listen, on the sockets of its place if these are open."""
        place = worker.place
        place.closes = math.inf
        try:
            place.listening = place.listening or self._addresses.listen()
            worker.channel.give(place.listening)
        except OSError as problem:
            logger.error("cannot listen for worker %d: %s", place.number, problem)
            worker.kill()

    def _leave(self, worker: Worker) -> None:
        """Have it take no more connections, and let its calls finish."""
        self._is_leaving(worker)
        worker.process.terminate()

    def _is_leaving(self, worker: Worker) -> None:
        now = time.monotonic()
        if worker.state is State.SERVING:
            worker.place.closes = now + _QUEUE_TIME
        worker.becomes(State.LEAVING, now=now, patience=self._options.grace + _LEAVING_TIME)

    def _stop(self) -> None:
        self._is_stopping = True
        for place in self._places:
            place.close()
            for worker in place.workers:
                if worker.state is not State.LEAVING:
                    self._leave(worker)
