"""The server under test: a Python application on landbridge's own server, or on another one.

The runner starts this once for every kind of server it wants, says on standard input what kind that is, and
ends it with SIGTERM.
"""

import asyncio
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conformance import official
from tests.conformance.framing import read_message, write_message
from tests.running.processes import leave_on_sigterm, running

sys.path.insert(0, str(official.STUBS))

SERVER_MODULES = {
    "uvicorn": ("uvicorn", "--lifespan=on", "--log-level=warning", "--fd={fd}", "{module}:asgi"),
    "gunicorn": (
        "gunicorn",
        "--threads=16",
        "--workers=1",
        "--timeout=0",
        "--bind=fd://{fd}",
        "{module}:wsgi",
    ),
}
"""How servers that are not ours are started on a listening socket."""

APPLICATIONS = "tests.conformance.applications"


def main(kind: str) -> None:
    """Serve until the runner has had enough."""
    wanted = read_message(sys.stdin.buffer, "ServerCompatRequest")
    if wanted is None:
        raise SystemExit("the runner said nothing on standard input")
    if kind in SERVER_MODULES:
        leave_on_sigterm()
        _serve_elsewhere(kind, wanted)
    else:
        asyncio.run(_serve(kind, wanted))


async def _serve(kind: str, wanted: Any) -> None:
    from landbridge.serving import Limits, Server, TlsConfig  # noqa: PLC0415

    from tests.conformance import applications  # noqa: PLC0415

    tls = None
    if wanted.use_tls:
        tls = TlsConfig(
            certificate=wanted.server_creds.cert,
            private_key=wanted.server_creds.key,
            client_ca=wanted.client_tls_cert or None,
        )
    make: Callable[[int | None], Any] = {"async": applications.make_asgi, "sync": applications.make_wsgi}[
        kind
    ]
    application = make(wanted.message_receive_limit or None)
    # The runner's clients keep connections that they have opened and not used. One that is closed at the very
    # moment of its first use fails its case.
    limits = Limits(header_timeout=600)
    server = Server(application, port=0, tls=tls, threads=32, limits=limits)
    await server.start()
    _answer(wanted, server.port)
    await server.wait()


def _serve_elsewhere(kind: str, wanted: Any) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        listening.set_inheritable(True)
        fd = listening.fileno()
        parts = [part.format(fd=fd, module=APPLICATIONS) for part in SERVER_MODULES[kind]]
        environment = {"CONFORMANCE_READ_MAX_BYTES": str(wanted.message_receive_limit)}
        with running([sys.executable, "-m", *parts], env=environment, pass_fds=(fd,)) as process:
            # Who connects before it accepts waits in the queue of the socket.
            _answer(wanted, listening.getsockname()[1])
            process.wait()


def _answer(wanted: Any, port: int) -> None:
    answer = official.message("ServerCompatResponse")
    answer.host, answer.port = "127.0.0.1", port
    if wanted.use_tls:
        answer.pem_cert = wanted.server_creds.cert
    write_message(sys.stdout.buffer, answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]).name)
