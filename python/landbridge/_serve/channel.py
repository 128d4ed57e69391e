"""What a supervisor and a worker tell each other, over a pair of sockets that only these two hold.

The worker says what it does, a byte each time. It asks for sockets when all that is left is to listen, and
gets them with a byte of no meaning. Where one end is closed, its process is gone.
"""

from __future__ import annotations

import asyncio
import os
import socket
from enum import Enum

_MOST_SOCKETS = 253
"""As many as Linux hands over at once."""


class Word(Enum):
    """What a worker says."""

    ASKS = b"a"
    """The application is ready: the worker asks for its listening sockets."""
    SERVES = b"s"
    """It takes connections."""
    LEAVES = b"l"
    """It takes no more, and lets its calls finish."""


class ToSupervisor:
    """A worker's end."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(False)

    @property
    def descriptor(self) -> int:
        """Readable, once the worker serves, when the supervisor is gone."""
        return self._socket.fileno()

    async def listening_sockets(self) -> list[socket.socket]:
        """Ask for the sockets to listen on.

        Raises `OSError` where the supervisor is gone, or this process may not have so many descriptors.
        """
        self.tell(Word.ASKS)
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._socket, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(self._socket)
        said, descriptors, flags, _ = socket.recv_fds(self._socket, 1, _MOST_SOCKETS)
        if not said:
            raise OSError("the supervisor is gone")
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        listening = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        if flags & socket.MSG_CTRUNC:
            for some in listening:
                some.close()
            raise OSError("no descriptors are left for listening sockets; raise the limit (ulimit -n)")
        return listening

    def tell(self, word: Word) -> None:
        """Say what the worker does; to nobody, where the supervisor is gone."""
        try:
            self._socket.send(word.value)
        except ConnectionError:
            # Its end is what the worker acts on.
            return


class ToWorker:
    """A supervisor's end."""

    def __init__(self) -> None:
        self._socket, self.other = socket.socketpair()
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """Readable when the worker has said something, or is gone."""
        return self._socket.fileno()

    def heard(self) -> list[Word] | None:
        """What the worker has said since; `None` where it says nothing more."""
        try:
            words = self._socket.recv(64)
        except BlockingIOError:
            return []
        except ConnectionError:
            return None
        return [Word(bytes([word])) for word in words] or None

    def give(self, listening: list[socket.socket]) -> None:
        """Hand over the sockets to listen on; the worker has copies of its own then.

        Raises `OSError` where they are too many for the system.
        """
        try:
            socket.send_fds(self._socket, [b"\0"], [one.fileno() for one in listening])
        except ConnectionError:
            # Its exit is what the supervisor acts on.
            return

    @property
    def is_closed(self) -> bool:
        """Whether nothing is heard any more."""
        return self._socket.fileno() < 0

    def close(self) -> None:
        """Hear nothing any more."""
        self._socket.close()
