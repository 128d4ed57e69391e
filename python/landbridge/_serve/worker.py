"""One process that serves."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

from landbridge._serve.loading import LoadError, load
from landbridge.server import ConnectASGIApplication, ConnectWSGIApplication
from landbridge.serving import Server, TlsConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from landbridge._serve.options import Options
    from landbridge.serving import Application

logger = logging.getLogger("landbridge")


def work(options: Options) -> int:
    """Serve until a signal ends it; the exit status."""
    try:
        server = _server(options)
        return asyncio.run(_serve(server, options)) if (run := _runner(options)) is None else run(server)
    except LoadError as problem:
        logger.error("%s", problem, exc_info=problem.__cause__)
    except (OSError, ValueError) as problem:
        logger.error("%s", problem)
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
    return Server(
        *(_application(name, options) for name in options.applications),
        *_own_applications(options),
        host=options.host,
        port=options.port,
        uds=options.uds,
        sockets=[socket.socket(fileno=number) for number in options.sockets],
        tls=tls,
        fallback=fallback,
        threads=options.threads,
        io_threads=options.io_threads,
    )


def _application(name: str, options: Options) -> ConnectASGIApplication[Any] | ConnectWSGIApplication:
    found = load(name, options.app_dir)
    if not isinstance(found, (ConnectASGIApplication, ConnectWSGIApplication)):
        kind = type(found).__name__
        advice = "give an application that was generated, or --fallback for other ASGI applications"
        raise LoadError(f"{name} is a {kind}, which is no application of landbridge: {advice}")
    return found


def _own_applications(options: Options) -> Iterator[Application]:
    """Those that landbridge brings and the command line asks for."""
    if options.health:
        from landbridge.health import HealthService  # noqa: PLC0415

        yield HealthService()
    if options.reflection:
        from landbridge.reflection import ReflectionService  # noqa: PLC0415

        yield ReflectionService()


async def _serve(server: Server, options: Options) -> int:
    loop = asyncio.get_running_loop()
    stopping: list[asyncio.Task[None]] = []

    def leave() -> None:
        # The first signal lets calls finish, the second does not.
        stopping.append(loop.create_task(server.stop(options.grace if not stopping else 0)))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave)
    await server.start()
    if options.ready is not None:
        os.write(options.ready, b"1")
        os.close(options.ready)
    scheme = "http" if options.tls_cert is None else "https"
    for address, port in server.addresses:
        host = f"[{address}]" if ":" in address else address
        logger.info("serving on %s://%s:%d", scheme, host, port)
    await server.wait()
    await asyncio.gather(*stopping)
    return 0
