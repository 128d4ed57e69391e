"""Keeps worker processes running.

The supervisor opens one listening socket a worker (SO_REUSEPORT: the kernel spreads the connections) and
keeps all of them open. A worker that dies leaves its socket, and whoever waits in its queue, to the one that
replaces it; so does a worker that is replaced in a rolling restart (SIGHUP). No connection is refused
meanwhile.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from landbridge._serve.options import Options

logger = logging.getLogger("landbridge")

_START_TIME = 60.0
"""Seconds that a worker may take until it serves."""

_QUICK_DEATH = 1.0
"""A worker that dies sooner after its start, in seconds, is replaced with a delay."""

_LEAVING_TIME = 15.0
"""Seconds that a worker may take to leave once its calls are cut."""

_FILES_LOOKED_AT = 0.5
"""Seconds between two looks at the files of a server that is started anew when they change."""


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    number: int
    started: float


class Supervisor:
    """Runs the workers of one command line until it is told to stop."""

    def __init__(self, options: Options, arguments: list[str]) -> None:
        self._options = options
        self._arguments = arguments
        self._sockets: list[socket.socket] = []
        self._workers: dict[int, _Worker] = {}
        self._stopping = False
        self._restart = False
        # Signals end every wait.
        self._awake, self._wake = os.pipe()
        # Workers hold the one end; where the other is gone, so is the supervisor.
        self._alive, self._living = os.pipe()

    def run(self) -> int:
        """Serve until a signal ends it; the exit status."""
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_restart)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            self._listen()
        except OSError as problem:
            logger.error("cannot listen on %s port %d: %s", self._options.host, self._options.port, problem)
            return 1
        for number in range(self._options.workers):
            worker = self._start(number)
            if worker is None:
                self._stop()
                return 0 if self._stopping else 1
            self._workers[number] = worker
        self._watch()
        return 0

    def _listen(self) -> None:
        host, port = self._options.host, self._options.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # A port that somebody else listens on is refused, also where the system would share it.
        with socket.create_server((host, port), family=family) as probe:
            port = probe.getsockname()[1]
        for _ in range(self._options.workers):
            listening = socket.create_server((host, port), family=family, reuse_port=True, backlog=1024)
            self._sockets.append(listening)
        logger.info("%d workers on %s port %d", self._options.workers, host, port)

    def _start(self, number: int) -> _Worker | None:
        """Start a worker and wait until it serves; none where it does not."""
        ready, told = os.pipe()
        descriptor = self._sockets[number].fileno()
        command = [sys.executable, "-m", "landbridge._serve", *self._arguments]
        command += ["--workers", "1", "--socket", str(descriptor), "--ready", str(told)]
        command += ["--supervisor", str(self._alive)]
        process = subprocess.Popen(command, pass_fds=(descriptor, told, self._alive))
        os.close(told)
        serves = self._becomes_ready(ready)
        os.close(ready)
        if not serves:
            process.kill()
            process.wait()
            if not self._stopping:
                logger.error("worker %d does not start; what it said is above", number)
            return None
        return _Worker(process, number, time.monotonic())

    def _becomes_ready(self, ready: int) -> bool:
        """Wait for a worker's word, as long as nobody wants the supervisor to stop."""
        end = time.monotonic() + _START_TIME
        with selectors.DefaultSelector() as selector:
            selector.register(ready, selectors.EVENT_READ)
            selector.register(self._awake, selectors.EVENT_READ)
            try:
                while not self._stopping and (left := end - time.monotonic()) > 0:
                    for key, _ in selector.select(left):
                        if key.fd == ready:
                            return os.read(ready, 1) == b"1"
                        os.read(self._awake, 4096)
                return False
            finally:
                # Whatever the signals were, the main loop has to look.
                os.write(self._wake, b"\0")

    def _watch(self) -> None:
        files = _Files(self._options.app_dir) if self._options.reload else None
        with selectors.DefaultSelector() as selector:
            selector.register(self._awake, selectors.EVENT_READ)
            while not self._stopping:
                if selector.select(_FILES_LOOKED_AT if files is not None else None):
                    os.read(self._awake, 4096)
                if files is not None and files.have_changed():
                    logger.info("files have changed; starting anew")
                    self._restart = True
                if self._restart:
                    self._restart = False
                    self._roll()
                self._replace_dead()
        self._stop()

    def _replace_dead(self) -> None:
        for number, worker in list(self._workers.items()):
            status = worker.process.poll()
            if status is None or self._stopping:
                continue
            logger.error("worker %d ended with status %d; starting another", number, status)
            if time.monotonic() - worker.started < _QUICK_DEATH:
                self._rest()
            while not self._stopping:
                replacement = self._start(number)
                if replacement is not None:
                    self._workers[number] = replacement
                    break
                self._rest()

    def _rest(self) -> None:
        """Wait a little, unless a signal comes."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._awake, selectors.EVENT_READ)
            end = time.monotonic() + _QUICK_DEATH
            while not self._stopping and (left := end - time.monotonic()) > 0:
                if selector.select(left):
                    os.read(self._awake, 4096)
        os.write(self._wake, b"\0")

    def _roll(self) -> None:
        """Replace each worker by a new one, which serves before the old one leaves."""
        for number, old in list(self._workers.items()):
            if self._stopping:
                return
            replacement = self._start(number)
            if replacement is None:
                logger.error("worker %d stays as it is", number)
                continue
            self._workers[number] = replacement
            old.process.terminate()
            self._wait_for(old)

    def _stop(self) -> None:
        logger.info("stopping %d workers", len(self._workers))
        for worker in self._workers.values():
            worker.process.terminate()
        for worker in self._workers.values():
            self._wait_for(worker)
        for listening in self._sockets:
            listening.close()

    def _wait_for(self, worker: _Worker) -> None:
        try:
            # Beyond its own deadlines a worker is not leaving at all.
            worker.process.wait(self._options.grace + _LEAVING_TIME)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        if self._stopping:
            for worker in self._workers.values():
                worker.process.terminate()
        self._stopping = True

    def _on_restart(self, _number: int, _frame: FrameType | None) -> None:
        self._restart = True


class _Files:
    """The Python files below a folder, by their times."""

    def __init__(self, top: str) -> None:
        self._top = top
        self._seen = self._times()

    def have_changed(self) -> bool:
        """Whether any of them has changed since the last look."""
        before, self._seen = self._seen, self._times()
        return before != self._seen

    def _times(self) -> dict[Path, int]:
        times = {}
        for folder, folders, files in os.walk(self._top):
            folders[:] = [
                name for name in folders if not name.startswith((".", "__pycache__")) and name != "target"
            ]
            for name in files:
                if name.endswith(".py"):
                    path = Path(folder, name)
                    try:
                        times[path] = path.stat().st_mtime_ns
                    except FileNotFoundError:
                        continue
        return times
