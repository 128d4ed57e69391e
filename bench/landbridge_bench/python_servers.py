"""The Python servers that are compared, what each can carry, and how each is started."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import programs
from .cores import Cores
from .error import BenchError
from .process import TICKS_PER_SECOND, Child
from .python_stubs import STUBS

READY_TIMEOUT_S = 20
READY_POLL_S = 0.02

H1, H2, GRPC = "Connect HTTP/1.1", "Connect h2", "gRPC"


@dataclass(frozen=True)
class PythonServer:
    """One server: its name, its command with `{port}` in it, its stubs, and what it carries."""

    name: str
    command: tuple[str, ...]
    stubs: str
    carries: frozenset[str]
    holds_idle_streams: bool = True
    """Whether it has room for 1,000 streams; not where each takes a thread."""

    @property
    def is_connect_python(self) -> bool:
        """Whether this is one of those that ours are judged against as the best of their kind."""
        return self.stubs == "connectrpc"


def _own(name: str, module: str, stubs: str, *carries: str, holds_idle_streams: bool = True) -> PythonServer:
    command = (sys.executable, "-m", f"landbridge_bench.servers.{module}", "{port}")
    return PythonServer(name, command, stubs, frozenset(carries), holds_idle_streams)


_APP = "landbridge_bench.servers.connect_python:app"
_UVICORN = (
    "-m",
    "uvicorn",
    "--port={port}",
    "--log-level=warning",
    "--loop=uvloop",
    "--http=httptools",
    _APP,
)
_GRANIAN = (
    "-m",
    "granian",
    "--interface=asgi",
    "--port={port}",
    "--log-level=warning",
    "--loop=uvloop",
    _APP,
)
_PYVOY = ("--port={port}", "--loop=uvloop", _APP)

GRPCIO_AIO = "grpcio asyncio"
LANDBRIDGE_ASYNC = "landbridge async"

SERVERS = (
    _own(LANDBRIDGE_ASYNC, "landbridge_async", "landbridge", H1, H2, GRPC),
    _own("landbridge sync", "landbridge_sync", "landbridge", H1, H2, GRPC, holds_idle_streams=False),
    _own(GRPCIO_AIO, "grpcio_aio", "grpc", GRPC),
    _own("grpcio sync", "grpcio_sync", "grpc", GRPC, holds_idle_streams=False),
    PythonServer("connectrpc on uvicorn", (sys.executable, *_UVICORN), "connectrpc", frozenset({H1})),
    PythonServer("connectrpc on granian", (sys.executable, *_GRANIAN), "connectrpc", frozenset({H1, H2})),
    PythonServer(
        "connectrpc on pyvoy",
        (str(Path(sys.executable).parent / "pyvoy"), *_PYVOY),
        "connectrpc",
        frozenset({H1, H2, GRPC}),
    ),
    _own("grpclib", "grpclib_server", "grpc", GRPC),
)


@contextmanager
def running(server: PythonServer, cores: Cores, logs: Path) -> Iterator[tuple[Child, int]]:
    """Runs a server while the block runs; gives it and its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    paths = (
        programs.REPOSITORY / "bench",
        programs.REPOSITORY / "python",
        STUBS / "common",
        STUBS / server.stubs,
    )
    command = [part.format(port=port) for part in server.command]
    with Child(
        ["env", f"PYTHONPATH={os.pathsep.join(map(str, paths))}", *command],
        cores.proxy,
        logs / f"{server.name.replace(' ', '-')}.log",
    ) as child:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not _listens(port):
            child.check_running()
            if time.monotonic() > deadline:
                raise BenchError(f"{' '.join(command)} was not ready after {READY_TIMEOUT_S} s")
            time.sleep(READY_POLL_S)
        yield child, port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def family(pid: int) -> list[int]:
    """A process and all below it."""
    pids = [pid]
    for parent in pids:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            pids.extend(int(child) for child in task.read_text().split())
    return pids


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and all below it."""
    ticks = 0
    for member in family(pid):
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_SECOND


def pss_mib(pid: int) -> float:
    """The memory of a process and all below it, what they share counted once."""
    kib = 0
    for member in family(pid):
        lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        kib += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib / 1024
