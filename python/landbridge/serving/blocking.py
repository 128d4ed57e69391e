"""The native server for programs without an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypedDict, Unpack

from landbridge.serving.server import Server

if TYPE_CHECKING:
    import os
    import socket
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Any

    from landbridge.serving.cors import Cors
    from landbridge.serving.limits import Limits
    from landbridge.serving.server import Application
    from landbridge.serving.tls import TlsConfig

__all__ = ["ServerSync"]


class _Settings(TypedDict, total=False):
    """The keyword arguments of `Server`."""

    host: str
    port: int
    uds: str | os.PathLike[str] | None
    sockets: Sequence[socket.socket]
    tls: TlsConfig | None
    cors: Cors | None
    fallback: Callable[..., Any] | None
    threads: int | None
    io_threads: int
    limits: Limits | None


class ServerSync:
    """Serves applications from a thread of its own, in which an event loop runs.

    Takes what `Server` takes.

        with ServerSync(GreetServiceWSGIApplication(Greeter()), port=8080) as server:
            server.wait()
    """

    def __init__(self, *applications: Application, **settings: Unpack[_Settings]) -> None:
        """Settle what is served; the arguments are those of `Server`."""
        self._server = Server(*applications, **settings)
        self._thread = threading.Thread(target=self._run, name="landbridge-server", daemon=True)
        self._started: Future[None] = Future()
        self._stopped: Future[None] = Future()
        self._stops: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def port(self) -> int:
        """The port that it listens on; known once it is started."""
        return self._server.port

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Every address and port that it listens on."""
        return self._server.addresses

    def start(self) -> None:
        """Open the port and serve. Raises what `Server.start` raises."""
        if self._thread.ident is not None:
            raise RuntimeError("a server is started once")
        self._thread.start()
        self._started.result()

    def wait(self) -> None:
        """Wait until it has been stopped, by another thread or a signal handler."""
        self._thread.join()

    def stop(self, grace: float | None = 30.0) -> None:
        """Stop as `Server.stop` does, and return when that is done."""
        # In a fork the thread is not there.
        if self._loop is None or not self._started.done() or not self._thread.is_alive():
            return
        with contextlib.suppress(RuntimeError):
            # The loop is closed where somebody else has stopped it.
            self._loop.call_soon_threadsafe(self._begin_stop, grace)
        self._stopped.result()
        if not self._server._left_behind:
            # Otherwise its event loop waits for handlers that do not end.
            self._thread.join()

    def _begin_stop(self, grace: float | None) -> None:
        self._stops.add(asyncio.ensure_future(self._server.stop(grace)))

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            if not self._stopped.done():
                self._stopped.set_result(None)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            await self._server.start()
        except BaseException as problem:
            self._started.set_exception(problem)
            return
        self._started.set_result(None)
        await self._server.wait()
        # Tasks that handlers have left are cancelled with the loop; waited for is only what stops the server.
        for stopped in await asyncio.gather(*self._stops, return_exceptions=True):
            if isinstance(stopped, BaseException):
                self._stopped.set_exception(stopped)
                return
        self._stopped.set_result(None)

    def __enter__(self) -> ServerSync:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
