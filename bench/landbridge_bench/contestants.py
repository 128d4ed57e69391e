"""The proxies that are compared: started the same way, with the same file and one worker."""

from __future__ import annotations

import http.client
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import programs
from .cores import Cores
from .error import BenchError
from .process import Child

READY_TIMEOUT_S = 20
READY_POLL_S = 0.02


@dataclass(frozen=True)
class Contestant:
    """A program that takes Envoy's flags and Envoy's file."""

    name: str
    program: str
    arguments: tuple[str, ...]


ENVOY = Contestant("Envoy", "envoy", ("--disable-hot-restart",))
LANDBRIDGE = Contestant("landbridge", "landbridge", ("bridge",))


@dataclass(frozen=True)
class Proxy:
    """A contestant in front of an upstream, ready for calls."""

    child: Child
    port: int


@contextmanager
def proxy(
    contestant: Contestant, config: Path, upstream_port: int, cores: Cores, logs: Path
) -> Iterator[Proxy]:
    """Runs a contestant with the file, its ports replaced by free ones, while the block runs."""
    port, admin_port = _free_ports(2)
    rewritten = logs / f"{contestant.program}.yaml"
    rewritten.write_text(_with_ports(config.read_text(), {8080: port, 8081: upstream_port, 9090: admin_port}))
    flags = ["-c", str(rewritten), "--concurrency", "1", "-l", "warning"]
    command = [programs.find(contestant.program), *contestant.arguments, *flags]
    with Child(command, cores.proxy, logs / f"{contestant.program}.log") as child:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not _is_ready(admin_port):
            child.check_running()
            if time.monotonic() > deadline:
                raise BenchError(f"{' '.join(command)} was not ready after {READY_TIMEOUT_S} s")
            time.sleep(READY_POLL_S)
        yield Proxy(child, port)


def _is_ready(admin_port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=1)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago; a proxy that finds its port taken says so and ends the run."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listening.getsockname()[1] for listening in sockets]
    for listening in sockets:
        listening.close()
    return ports


def _with_ports(config: str, ports: dict[int, int]) -> str:
    """The file with other ports, so that a benchmark never meets what already runs on this machine."""
    written = [int(port) for port in re.findall(r"port_value: (\d+)", config)]
    if sorted(written) != sorted(ports):
        raise BenchError(
            f"the file should name the ports {sorted(ports)} once each, but names {sorted(written)}"
        )
    return re.sub(r"port_value: (\d+)", lambda found: f"port_value: {ports[int(found[1])]}", config)
