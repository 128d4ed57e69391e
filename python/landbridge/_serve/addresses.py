"""Where workers listen: at all addresses of a name, on one port."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Any

_BACKLOG = 1024
"""Connections that may wait to be accepted; the system may have a lower limit."""


class Addresses:
    """The addresses of a host, on a port that is nobody else's until this is closed."""

    def __init__(self, host: str, port: int) -> None:
        """Settle the port, which the system chooses where it is 0.

        Raises `OSError` where the host has no address here, or somebody else listens there.
        """
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        hosts = list(dict.fromkeys((family, at) for family, _, _, _, at in found))
        self._all: list[tuple[int, Any]] = []
        # `::` alone takes IPv4, too.
        self._has_ipv4 = any(family == socket.AF_INET for family, _ in hosts)
        self.port = port
        with ExitStack() as claims:
            for family, (ip, _, *rest) in hosts:
                # A port that somebody else listens on is refused, also where the system would share it.
                with self._bound(family, (ip, self.port, *rest), shared=False) as probe:
                    probe.listen()
                    at = probe.getsockname()
                # All addresses share the port that the system chose for the first.
                self.port = at[1]
                self._all.append((family, at))
                claims.enter_context(self._bound(family, at, shared=True))
            self._claims = claims.pop_all()

    def listen(self) -> list[socket.socket]:
        """Sockets that listen there beside others of ours: the kernel spreads the connections over them.

        Raises `OSError` where the system has no more.
        """
        with ExitStack() as opened:
            sockets = [opened.enter_context(self._bound(*at, shared=True)) for at in self._all]
            for listening in sockets:
                listening.listen(_BACKLOG)
            opened.pop_all()
        return sockets

    def close(self) -> None:
        """Give the port up. Sockets that listen stay."""
        self._claims.close()

    def _bound(self, family: int, at: Any, *, shared: bool) -> socket.socket:
        with ExitStack() as opened:
            bound = opened.enter_context(socket.socket(family))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, self._has_ipv4)
            bound.bind(at)
            opened.pop_all()
        return bound
