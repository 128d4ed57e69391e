"""Workers, and the places that they serve in.

A server of N workers has N places, each with listening sockets on the shared port (SO_REUSEPORT: the
kernel spreads the connections over the places). A worker goes one way:

    STARTING   loads the application; nobody is sent to it
    SERVING    takes the connections of its place's sockets
    LEAVING    takes no more, and lets its calls finish

A place has at most one worker that starts and one that serves. The sockets outlive the worker: who replaces
it, whether it has died or makes room, takes over whoever waits in their queues.
"""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from landbridge._serve.channel import ToWorker

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence


class State(Enum):
    """What a worker does."""

    STARTING = auto()
    SERVING = auto()
    LEAVING = auto()


@dataclass(eq=False)
class Worker:
    """A process that serves, is about to, or has done so."""

    place: Place
    process: subprocess.Popen[bytes]
    channel: ToWorker
    restarts: int
    """How many restarts had been asked for when it was started."""
    state: State
    since: float
    """When it came into this state."""
    deadline: float
    """When it is killed, unless it has come into the next."""

    @classmethod
    def start(
        cls, place: Place, arguments: Sequence[str], *, restarts: int, now: float, patience: float
    ) -> Worker:
        """Start a process, which is killed if it does not serve after `patience` seconds.

        Raises `OSError` where the system starts no more.
        """
        channel = ToWorker()
        command = [sys.executable, "-m", "landbridge._serve", *arguments]
        command += ["--workers", "1", "--supervisor", str(channel.other.fileno())]
        try:
            process = subprocess.Popen(command, pass_fds=(channel.other.fileno(),))
        except OSError:
            channel.close()
            raise
        finally:
            channel.other.close()
        return cls(place, process, channel, restarts, State.STARTING, now, now + patience)

    def becomes(self, state: State, *, now: float, patience: float = math.inf) -> None:
        """Come into another state, and be killed after `patience` seconds in it."""
        self.state, self.since, self.deadline = state, now, now + patience

    def hurry(self) -> None:
        """Have a worker that leaves cut its calls."""
        # Not by the signal that it leaves by: two of one kind may come as one.
        self.process.send_signal(signal.SIGQUIT)

    def kill(self) -> None:
        """End it, whatever it does."""
        self.deadline = math.inf
        self.process.kill()


@dataclass(eq=False)
class Place:
    """Where one worker after another serves."""

    number: int
    workers: list[Worker] = field(default_factory=list)
    listening: list[socket.socket] = field(default_factory=list)
    """Open from when the first worker is ready to serve here, one for each address."""
    closes: float = math.inf
    """When the sockets are closed, because there is nobody who serves them."""
    is_outdated: bool = False
    """Whether its worker is to be replaced."""
    opens: float = 0.0
    """No worker is started here before this time."""

    def worker(self, state: State) -> Worker | None:
        """A worker in this state."""
        return next((worker for worker in self.workers if worker.state is state), None)

    @property
    def is_vacant(self) -> bool:
        """Whether nobody serves here and nobody is about to."""
        return all(worker.state is State.LEAVING for worker in self.workers)

    def close(self) -> None:
        """Close the sockets. Who waits in their queues is turned away, the next ones go elsewhere."""
        self.closes = math.inf
        for listening in self.listening:
            listening.close()
        self.listening = []
