"""What stands between a client and its server: a relay of bytes, and an HTTP proxy that opens connections."""

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import pytest


def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take out of the environment what names proxies."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


class Relay:
    """Passes bytes on, unless it is told to be silent."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.opened: list[socket.socket] = []
        self.closed = threading.Semaphore(0)
        """Released for each connection that its client has closed."""
        self._all: list[socket.socket] = []
        self.silent = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._all:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in self._all:
            one.close()

    def _begin(self, target: Callable[..., None], *given: Any) -> None:
        self._threads.append(threading.Thread(target=target, args=given))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                self.take(peer)

    def take(self, peer: socket.socket) -> None:
        """A connection has come."""
        server = socket.create_connection(("127.0.0.1", self._to))
        self._all += [peer, server]
        self.opened.append(peer)
        self._begin(self._pass, peer, server, True)
        self._begin(self._pass, server, peer, False)

    def _pass(self, source: socket.socket, sink: socket.socket, of_client: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self.silent.is_set():
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        if of_client:
            self.closed.release()


class Proxy(Relay):
    """Opens connections by CONNECT, for those who know the password if there is one."""

    def __init__(self, authorization: str | None = None) -> None:
        super().__init__(0)
        self._authorization = authorization
        self.asked: list[str] = []

    def take(self, peer: socket.socket) -> None:
        """Read the request, and do what it says."""
        self._all.append(peer)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += peer.recv(1)
        request, *lines = head.decode().strip().split("\r\n")
        name, target, _ = request.split(" ")
        assert name == "CONNECT"
        given = dict(line.split(": ", 1) for line in lines)
        assert given["host"] == target
        self.asked.append(target)
        if given.get("proxy-authorization") != self._authorization:
            peer.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        self._to = int(target.rpartition(":")[2])
        peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        super().take(peer)
