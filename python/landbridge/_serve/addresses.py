"""Where workers listen: at all addresses of a host, on one port."""

from __future__ import annotations

import socket
from contextlib import ExitStack

from landbridge._hosts import addresses_of, family, in_place

_BACKLOG = 1024
"""Connections that may wait to be accepted; the system may have a lower limit."""


class Addresses:
    """The addresses of a host, on a port that no other process gets until this is closed."""

    def __init__(self, host: str, port: int) -> None:
        """Settle the port, which the system chooses where it is 0.

        Raises `OSError` where that cannot be listened on; it says where, why, and what to do.
        """
        self._all = addresses_of(host)
        self.port = port
        with ExitStack() as claims:
            for ip in self._all:
                try:
                    claims.enter_context(self._claim(ip))
                except OSError as problem:
                    place = f"{in_place(ip)}:{self.port}"
                    raise OSError(f"cannot listen on {place}: {_why(problem)}") from problem
            self._claims = claims.pop_all()

    def listen(self) -> list[socket.socket]:
        """Sockets that listen there beside others of ours: the kernel spreads the connections over them.

        Raises `OSError` where the system has no more.
        """
        with ExitStack() as opened:
            sockets = [opened.enter_context(_bound(ip, self.port, shared=True)) for ip in self._all]
            for listening in sockets:
                listening.listen(_BACKLOG)
            opened.pop_all()
        return sockets

    def close(self) -> None:
        """Give the port up. Sockets that listen stay."""
        self._claims.close()

    def _claim(self, ip: str) -> socket.socket:
        # A port that somebody else listens on is refused, also where the system would share it.
        with _bound(ip, self.port, shared=False) as probe:
            probe.listen()
            # All addresses share the port that the system chose for the first.
            self.port = probe.getsockname()[1]
        claim = _bound(ip, self.port, shared=True)
        # Bound, it lets only those in who share the port as we do, and not who looks whether it is free.
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        return claim


def _bound(ip: str, port: int, *, shared: bool) -> socket.socket:
    with ExitStack() as opened:
        bound = opened.enter_context(socket.socket(family(ip)))
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((ip, port))
        opened.pop_all()
    return bound


def _why(problem: OSError) -> str:
    """Why an address cannot be listened on, and what to do, as the core says it of one process."""
    if problem.errno is None:
        return str(problem)
    # Only for this: workers are what serves.
    from landbridge import _core  # noqa: PLC0415

    return f"{_core.listen_advice(problem.errno)}: {problem.strerror}"
