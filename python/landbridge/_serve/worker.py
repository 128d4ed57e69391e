"""One process that serves."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

from landbridge._hosts import in_place
from landbridge._serve.channel import ToSupervisor, Word
from landbridge._serve.loading import LoadError, load, place
from landbridge._settings import described
from landbridge.server import ConnectASGIApplication, ConnectWSGIApplication
from landbridge.serving import Server, TlsConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from landbridge import _core
    from landbridge._serve.options import Options
    from landbridge.serving import Application

logger = logging.getLogger("landbridge")


def work(options: Options) -> int:
    """Serve until a signal ends it; the exit status."""
    try:
        server = _server(options)
        return asyncio.run(_serve(server, options)) if (run := _runner(options)) is None else run(server)
    except LoadError as problem:
        logger.error("%s", problem)
        logger.debug("where that happened:", exc_info=problem.__cause__)
    except (OSError, ValueError) as problem:
        logger.error("%s", problem)
    except Exception as problem:
        # What an application raises where it starts.
        logger.error("cannot serve: %s: %s%s", type(problem).__name__, problem, place(problem))
        logger.debug("where that happened:", exc_info=problem)
    except KeyboardInterrupt:
        # Before there was anything to stop.
        return 130
    return 1


def _runner(options: Options) -> Callable[[Server], int] | None:
    """How an event loop of uvloop is run; none where asyncio's own is wanted."""
    if options.loop == "asyncio":
        return None
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        if options.loop == "uvloop":
            raise LoadError("--loop uvloop needs the package uvloop: install landbridge[uvloop]") from None
        return None
    return lambda server: int(uvloop.run(_serve(server, options)))


def _server(options: Options) -> Server:
    tls = None
    if options.tls_cert is not None and options.tls_key is not None:
        tls = TlsConfig(
            certificate=options.tls_cert, private_key=options.tls_key, client_ca=options.tls_client_ca
        )
    fallback = None if options.fallback is None else load(options.fallback, options.app_dir)
    server = (
        Server if options.supervisor is None else partial(_SupervisedServer, ToSupervisor(options.supervisor))
    )
    return server(
        *(_application(name, options) for name in options.applications),
        *_own_applications(options),
        host=options.host,
        port=options.port,
        uds=options.uds,
        tls=tls,
        cors=options.cors,
        fallback=fallback,
        threads=options.threads,
        io_threads=options.io_threads,
        limits=options.limits,
    )


def _application(name: str, options: Options) -> ConnectASGIApplication[Any] | ConnectWSGIApplication:
    found = load(name, options.app_dir)
    if not isinstance(found, (ConnectASGIApplication, ConnectWSGIApplication)):
        advice = "give an application that was generated, or --fallback for other ASGI applications"
        raise LoadError(f"{name} is {described(found)}, which is no application of landbridge: {advice}")
    return found


def _own_applications(options: Options) -> Iterator[Application]:
    """Those that landbridge brings and the command line asks for."""
    if options.health:
        from landbridge.health import HealthService  # noqa: PLC0415

        yield HealthService()
    if options.reflection:
        from landbridge.reflection import ReflectionService  # noqa: PLC0415

        yield ReflectionService()


class _SupervisedServer(Server):
    """A server that gets its sockets when it is ready to serve, and says what it does."""

    def __init__(self, supervisor: ToSupervisor, *applications: Application, **settings: Any) -> None:
        super().__init__(*applications, **settings)
        self.supervisor = supervisor
        self.on_draining(partial(supervisor.tell, Word.LEAVES))

    async def _bind(self, core: _core.Server) -> None:
        self._sockets = await self.supervisor.listening_sockets()
        await super()._bind(core)

    async def start(self) -> None:
        await super().start()
        self.supervisor.tell(Word.SERVES)


async def _serve(server: Server, options: Options) -> int:
    leaving = _Leaving(server, options.grace)
    signal.signal(signal.SIGTERM, leaving.on_signal)
    signal.signal(signal.SIGQUIT, leaving.on_signal)
    # A terminal tells the workers of a supervisor, too; they wait for what that says.
    signal.signal(signal.SIGINT, signal.SIG_IGN if options.supervisor is not None else leaving.on_signal)
    if not await leaving.started():
        logger.info("stopped before it was ready")
        return 0
    if isinstance(server, _SupervisedServer):
        descriptor = server.supervisor.descriptor
        asyncio.get_running_loop().add_reader(descriptor, leaving.on_orphaned, descriptor)
    scheme = "http" if options.tls_cert is None else "https"
    for address, port in server.addresses:
        logger.info("serving on %s://%s:%d", scheme, in_place(address), port)
    if not server.addresses:
        logger.info("serving on unix:%s", options.uds)
    await server.wait()
    await leaving.finished()
    if server._left_behind:
        # What does not end by itself would keep the event loop from closing.
        logging.shutdown()
        os._exit(0)
    return 0


_STANDARD_ERROR = 2

_DEAF_TIME = 1.0
"""Seconds after which an event loop that does not take a second signal counts as blocked."""


class _Leaving:
    """How the process ends: one signal lets calls finish, a second cuts them, a third ends it all.

    So does the second where a handler blocks the event loop, which can do nothing about it then.
    """

    def __init__(self, server: Server, grace: float) -> None:
        self._server = server
        self._grace = grace
        self._loop = asyncio.get_running_loop()
        self._is_told = False
        self._is_hurried = False
        self._starting: asyncio.Task[None] | None = None
        self._stops: list[asyncio.Task[None]] = []

    async def started(self) -> bool:
        """Start the server; gives whether that was let be done. What starts may take its time."""
        starting = self._starting = self._loop.create_task(self._server.start())
        await asyncio.wait((starting,))
        self._starting = None
        if starting.cancelled():
            return False
        starting.result()
        return True

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Begin, or hurry. Runs between any two steps of Python, also where a handler blocks the loop."""
        if number != signal.SIGQUIT and not self._is_told:
            self._is_told = True
            self._loop.call_soon_threadsafe(self._stop, self._grace)
            return
        if self._is_hurried:
            os._exit(1)
        self._is_hurried = True
        # Says where the loop is blocked, and ends the process, from a thread that needs nothing of Python.
        faulthandler.dump_traceback_later(_DEAF_TIME, exit=True, file=_STANDARD_ERROR)
        self._loop.call_soon_threadsafe(self._hurry)

    def on_orphaned(self, descriptor: int) -> None:
        """The supervisor is gone: nobody would replace this worker, or stop it."""
        self._loop.remove_reader(descriptor)
        logger.error("the supervisor is gone; leaving, too")
        self._stop(self._grace)

    async def finished(self) -> None:
        """Wait for what was begun."""
        await asyncio.gather(*self._stops)

    def _hurry(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        self._stop(0.0)

    def _stop(self, grace: float) -> None:
        if self._starting is not None and self._starting.cancel():
            return
        logger.info("draining: calls have %g seconds to finish", grace)
        self._stops.append(self._loop.create_task(self._server.stop(grace)))
