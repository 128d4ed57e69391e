"""The native server: applications on one port, in all three protocols."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from landbridge import _core
from landbridge._hosts import addresses_of
from landbridge._kinds import KINDS
from landbridge._native.event_loop import EventLoop
from landbridge._native.threads import Threads
from landbridge._operations.handler_threads import HandlerThreads, default_number
from landbridge._settings import described, instance, whole_number
from landbridge.server import ConnectASGIApplication, ConnectWSGIApplication
from landbridge.serving.cors import Cors
from landbridge.serving.limits import Limits
from landbridge.serving.tls import TlsConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from landbridge._operations.operation import Operation

__all__ = ["Application", "Server"]

Application = ConnectASGIApplication[Any] | ConnectWSGIApplication
"""What a server serves."""


logger = logging.getLogger("landbridge")

_LAST_WORDS = 1.0
"""Seconds that callers get to take the error by which their calls end; what is left then is cut."""

_CLEAN_UP_TIME = 5.0
"""Seconds that handlers get to clean up once their calls are cut."""


class Server:
    """Serves applications from the running event loop: Connect, gRPC and gRPC-Web, over HTTP/1.1 and HTTP/2.

    Handlers of `ConnectASGIApplication` run as tasks in the loop that `start` is called in; those of
    `ConnectWSGIApplication` on a pool of threads.

        async with Server(GreetServiceASGIApplication(Greeter()), port=8080) as server:
            await server.wait()
    """

    def __init__(
        self,
        *applications: Application,
        host: str = "127.0.0.1",
        port: int = 8080,
        uds: str | os.PathLike[str] | None = None,
        sockets: Sequence[socket.socket] = (),
        tls: TlsConfig | None = None,
        cors: Cors | None = None,
        fallback: Callable[..., Any] | None = None,
        threads: int | None = None,
        io_threads: int = 1,
        limits: Limits | None = None,
    ) -> None:
        """Settle what is served; nothing is opened before `start`.

        Raises `TypeError` or `ValueError` for what makes no sense.

        Args:
            applications: What is served. Two that serve the same method are refused.
            host: Name or address to listen on; all addresses of a name are.
            port: The port; 0 lets the system choose, see `port`.
            uds: The path of a Unix socket to listen on instead.
            sockets: Listening TCP sockets to serve on instead; the server takes them over.
            tls: Certificates; without them connections are in cleartext.
            cors: Which pages of other origins may call from browsers; none without it. What `fallback`
                answers is its own matter.
            fallback: An ASGI application for all paths that are below no service of `applications`.
            threads: Threads for blocking applications, and as many for blocking handlers of asynchronous
                ones; by default four for each core, at most 32.
            io_threads: Threads that do the network's work, outside of Python's lock.
            limits: Limits and times.
        """
        for application in applications:
            if not isinstance(application, (ConnectASGIApplication, ConnectWSGIApplication)):
                advice = "give a generated application with the service in it"
                raise TypeError(f"{described(application)} is no application of landbridge: {advice}")
        whole_number("port", port, least=0, most=65535)
        instance("tls", tls, TlsConfig, optional=True)
        instance("cors", cors, Cors, optional=True)
        instance("limits", limits, Limits, optional=True)
        whole_number("threads", threads, least=1, optional=True)
        whole_number("io_threads", io_threads, least=1)
        if fallback is not None and not callable(fallback):
            raise TypeError(f"fallback is {described(fallback)}: it must be an ASGI application")
        self._applications = applications
        self._host = host
        self._asked_port = port
        self._uds = uds
        self._sockets = sockets
        self._tls = tls
        self._cors = cors
        self._fallback = fallback
        self._thread_count = default_number() if threads is None else threads
        self._io_threads = io_threads
        self._limits = limits or Limits()
        self._addresses: list[tuple[str, int]] = []
        self._core: _core.Server | None = None
        self._loop: EventLoop | None = None
        self._threads: Threads | None = None
        """They run blocking applications."""
        self._handler_threads: HandlerThreads | None = None
        """They run blocking handlers of asynchronous applications."""
        self._left: asyncio.Future[None] | None = None
        self._stopped: asyncio.Event | None = None
        self._left_behind = 0
        """Handlers that had not ended when the server had."""
        self._closing: asyncio.Future[None] | None = None
        self._lifespans = AsyncExitStack()
        self._draining: list[Callable[[], object]] = []

    @property
    def port(self) -> int:
        """The port that it listens on; known once it is started."""
        if not self._addresses:
            raise RuntimeError("the server has no port before it is started")
        return self._addresses[0][1]

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Every address and port that it listens on."""
        return list(self._addresses)

    @property
    def calls_in_flight(self) -> int:
        """Calls and requests that are not answered yet."""
        return 0 if self._core is None else self._core.in_flight

    def on_draining(self, callback: Callable[[], object]) -> None:
        """Have `callback` called when the server begins to stop, before anything is refused."""
        self._draining.append(callback)

    async def start(self) -> None:
        """Open the port and serve.

        Raises `OSError` for an address that is taken or not this machine's, `ValueError` for certificates
        that do not load and for methods that two applications serve; `RuntimeError` where it was started
        before.
        """
        if self._stopped is not None:
            raise RuntimeError("a server is started once")
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            message = "a Server runs in an event loop of asyncio; elsewhere, ServerSync brings its own"
            raise RuntimeError(message) from None
        self._stopped = asyncio.Event()
        try:
            await self._start()
        except BaseException:
            await self._lifespans.aclose()
            self._stopped.set()
            raise

    async def _start(self) -> None:
        for application in self._applications:
            if isinstance(application, ConnectASGIApplication):
                await self._lifespans.enter_async_context(application.lifespan())
        http = None
        if self._fallback is not None:
            from landbridge._native.asgi_host import AsgiHost  # noqa: PLC0415

            http = AsgiHost(self._fallback)
            await self._lifespans.enter_async_context(http.lifespan())
        for application in self._applications:
            application._joined(self._applications)
        operations, core = self._build(has_fallback=http is not None)
        await self._bind(core)
        self._core = core
        self._handler_threads = HandlerThreads(self._thread_count, self._limits.max_waiting_calls)
        serve = None if http is None else http.serve
        self._loop = EventLoop(core, operations, serve, self._handler_threads)
        if any(not operation.is_async for operation in operations):
            self._threads = Threads(core, operations, self._thread_count)
            self._threads.start()
        self._left = asyncio.get_running_loop().create_future()
        self._loop.start()
        core.start(self._left, detailed=logger.isEnabledFor(logging.DEBUG))

    def _build(self, *, has_fallback: bool) -> tuple[list[Operation], _core.Server]:
        services: list[_core.Service] = []
        methods: list[dict[str, Any]] = []
        operations: list[Operation] = []
        for application in self._applications:
            offer = application._offer
            for path, operation in application._operations.items():
                methods.append(
                    {
                        "path": path,
                        "service": len(services),
                        "kind": KINDS[operation.stream_type],
                        "idempotent": operation.is_idempotent_get,
                        "blocking": not operation.is_async,
                        "head_first": bool(operation.before),
                    }
                )
                operations.append(operation)
            services.append(offer.service)
        settings = asdict(self._limits)
        core = _core.Server(
            services=services,
            methods=methods,
            has_fallback=has_fallback,
            max_concurrent_calls=settings.pop("max_concurrent_calls"),
            max_waiting_calls=settings.pop("max_waiting_calls"),
            io_threads=self._io_threads,
            settings=settings,
            tls=None if self._tls is None else self._tls._for_core(),
            cors=None if self._cors is None else self._cors._for_core(),
        )
        return operations, core

    async def _bind(self, core: _core.Server) -> None:
        if self._sockets:
            self._addresses = [core.adopt(given.detach()) for given in self._sockets]
        elif self._uds is not None:
            core.bind_unix(os.fspath(self._uds))
        else:
            loop = asyncio.get_running_loop()
            port = self._asked_port
            for ip in await loop.run_in_executor(None, addresses_of, self._host):
                bound = core.bind(ip, port)
                # All addresses share the port that the system chose for the first.
                port = bound[1]
                self._addresses.append(bound)

    async def wait(self) -> None:
        """Wait until it has been stopped."""
        if self._stopped is None:
            raise RuntimeError("the server was not started")
        await self._stopped.wait()

    async def stop(self, grace: float | None = 30.0) -> None:
        """Stop: take no more connections, ask clients to go, let calls finish for `grace` seconds, end the
        rest as `unavailable`.

        `None` waits for every call. Called again, it shortens the time. Cancelled, it cuts everything.
        """
        core, left = self._core, self._left
        if core is None or left is None or self._stopped is None:
            return
        callbacks, self._draining = self._draining, []
        for application in self._applications:
            application._leaving()
        for callback in callbacks:
            try:
                callback()
            except Exception:
                logger.exception("a callback of on_draining failed")
        core.drain()
        try:
            await asyncio.wait_for(asyncio.shield(left), grace)
        except TimeoutError:
            core.end_calls()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(left), _LAST_WORDS)
        finally:
            core.abort()
        await asyncio.shield(left)
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close(core))
        await asyncio.shield(self._closing)

    async def _close(self, core: _core.Server) -> None:
        # Threads of its own: those that the loop lends may all be at work for the application.
        with ThreadPoolExecutor(2, "landbridge-closing") as beside:
            wait = functools.partial(asyncio.get_running_loop().run_in_executor, beside)
            await wait(core.join_blocking)
            stuck = 0
            if self._loop is not None:
                stuck += await self._loop.stop(_CLEAN_UP_TIME)
            pools = [pool for pool in (self._threads, self._handler_threads) if pool is not None]
            stuck += sum(await asyncio.gather(*(wait(pool.join, _CLEAN_UP_TIME) for pool in pools)))
        self._left_behind = stuck
        if stuck:
            logger.warning("%d handlers do not end though their callers are gone; leaving them", stuck)
        self._core = None
        try:
            await self._lifespans.aclose()
        finally:
            if self._stopped is not None:
                self._stopped.set()

    async def __aenter__(self) -> Server:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
