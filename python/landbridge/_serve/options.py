"""What `landbridge serve` is told."""

from __future__ import annotations

import argparse
import math
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NoReturn

from landbridge._serve.loading import LoadError, parts
from landbridge.serving.cors import Cors
from landbridge.serving.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Options:
    """The command line, read."""

    applications: list[str] = field(default_factory=list)
    fallback: str | None = None
    health: bool = False
    reflection: bool = False
    host: str = "127.0.0.1"
    port: int = 8080
    uds: str | None = None
    workers: int = 1
    threads: int | None = None
    io_threads: int = 1
    grace: float = 30.0
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_client_ca: str | None = None
    cors: Cors | None = None
    loop: str = "auto"
    reload: bool = False
    log_level: str = "info"
    app_dir: str = "."
    limits: Limits = field(default_factory=Limits)
    supervisor: int | None = None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End the process, with one line."""
        self.exit(2, f"{self.prog}: {message.removeprefix('argument ')} (--help explains all)\n")


def read(arguments: list[str]) -> Options:
    """Read a command line. Ends the process with one line and status 2 where it is wrong."""
    parser = _Parser(
        prog="landbridge serve",
        # What a supervisor passes on to its workers is looked for by its whole name.
        allow_abbrev=False,
        description="Serve applications over Connect, gRPC and gRPC-Web, HTTP/1.1 and HTTP/2, on one port.",
    )
    add = parser.add_argument
    add("applications", type=_name, nargs="+", metavar="MODULE:APPLICATION", help="what is served")
    add(
        "--fallback",
        type=_name,
        metavar="MODULE:APP",
        help="an ASGI application for all paths that are below no service",
    )
    add("--health", action="store_true", help="answer gRPC's health checks, too")
    add("--reflection", action="store_true", help="tell clients the schemas (gRPC server reflection), too")
    add("--host", default=Options.host, help="name or address to listen on (%(default)s)")
    add("--port", type=_port, default=Options.port, help="port to listen on, 0 for any (%(default)s)")
    add("--uds", metavar="PATH", help="a Unix socket to listen on instead")
    add("--workers", type=_number, default=1, help="processes, each with its own event loop (%(default)s)")
    add(
        "--threads",
        type=_number,
        help="threads for blocking handlers in each worker (four a core, at most 32)",
    )
    add("--io-threads", type=_number, default=1, help="threads for the network in each worker (%(default)s)")
    add(
        "--grace", type=_seconds, default=Options.grace, help="seconds that calls get to finish (%(default)s)"
    )
    add(
        "--limit",
        dest="limit",
        type=_limit,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a field of landbridge.serving.Limits, such as max_concurrent_calls=1000 or idle_timeout=none",
    )
    add("--tls-cert", metavar="FILE", help="certificate chain, in PEM")
    add("--tls-key", metavar="FILE", help="its private key, in PEM")
    add("--tls-client-ca", metavar="FILE", help="the authority that clients' certificates must lead to")
    add(
        "--cors-origin",
        type=_cors_origin,
        action="append",
        default=[],
        metavar="ORIGIN",
        help="pages of this origin may call, such as https://app.example; * for every page; may be repeated",
    )
    add(
        "--cors-header",
        type=_cors_header,
        action="append",
        default=[],
        metavar="NAME",
        help="a request header that such pages may send, beside those of the protocols; may be repeated",
    )
    add("--loop", choices=("auto", "asyncio", "uvloop"), default="auto", help="auto: uvloop where installed")
    add("--reload", action="store_true", help="start anew when a Python file changes; for development")
    add("--log-level", choices=("debug", "info", "warning", "error"), default=Options.log_level)
    add("--app-dir", default=".", metavar="DIR", help="where modules are looked for first (%(default)s)")
    # What a supervisor tells its workers: the descriptor by which they talk.
    add("--supervisor", type=int, help=argparse.SUPPRESS)
    read = parser.parse_args(arguments)
    limits = dict(read.__dict__.pop("limit"))
    origins, headers = read.__dict__.pop("cors_origin"), read.__dict__.pop("cors_header")
    if headers and not origins:
        parser.error("--cors-header needs --cors-origin")
    options = Options(**vars(read), limits=Limits(**limits), cors=_cors(origins, headers))
    if (options.tls_cert is None) != (options.tls_key is None):
        parser.error("--tls-cert and --tls-key belong together: give both")
    if options.tls_client_ca is not None and options.tls_cert is None:
        parser.error("--tls-client-ca needs --tls-cert and --tls-key")
    if options.uds is not None and (options.workers > 1 or options.reload):
        parser.error("--uds goes with one worker, and without --reload")
    return options


def _name(text: str) -> str:
    with _wrong_as_argument():
        parts(text)
    return text


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no time in seconds")
    return seconds


def _cors_origin(text: str) -> str:
    """One origin, as the command line has it."""
    with _wrong_as_argument():
        _cors([text], [])
    return text


def _cors_header(text: str) -> str:
    """One name of a header."""
    with _wrong_as_argument():
        _cors(["*"], [text])
    return text


def _cors(origins: list[str], headers: list[str]) -> Cors | None:
    if not origins:
        return None
    return Cors(
        allow_origins="*" if "*" in origins else origins, allow_headers="*" if "*" in headers else headers
    )


@contextmanager
def _wrong_as_argument() -> Iterator[None]:
    try:
        yield
    except (LoadError, TypeError, ValueError) as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _limit(text: str) -> tuple[str, int | float | None]:
    """One field of `Limits`, as the command line has it."""
    name, _, value = text.partition("=")
    names = [field.name for field in fields(Limits)]
    if name not in names:
        raise argparse.ArgumentTypeError(f"{name!r} is no limit; these are: {', '.join(names)}")
    limit: Any = value
    if value.lower() == "none":
        limit = None
    for kind in (float, int):
        with suppress(ValueError):
            limit = kind(value)
    with _wrong_as_argument():
        Limits(**{name: limit})
    return name, limit
