"""The server suite: Python servers in turn, one process each, the same echo with google's protobuf.

Each runs alone on one core; the load generator has the others. Every call is checked once before it is
repeated, and a call that fails fails the run.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from . import programs
from .cores import Cores
from .error import BenchError
from .load import Call, Http, Load
from .python_servers import (
    GRPC,
    GRPCIO_AIO,
    H1,
    H2,
    LANDBRIDGE_ASYNC,
    SERVERS,
    PythonServer,
    cpu_seconds,
    pss_mib,
    running,
)
from .python_stubs import make_stubs
from .scenarios import CONNECT, MIB, UNARY, enveloped
from .scenarios import GRPC as GRPC_HEADERS
from .upstream import idle_streams

RESULT = programs.REPOSITORY / "target" / "bench" / "server.json"
WARM_UP_S = 1
FLOOD = 10_000

SMALL = b"\x0a\x09hello you"
"""Eleven bytes: a protobuf message with nine bytes in its first field."""
_LARGE = b"\x0a" + b"\x80\x80\x40" + bytes(MIB)
_FLOOD = b"\x08\x90\x4e\x12\x09hello you"

IDLE = "1,000 idle bidi streams, MiB"


@dataclass(frozen=True)
class Scenario:
    """A load, what carries it, and how many messages one request stands for."""

    name: str
    protocol: str
    load: Load
    messages: int = 1


def _call(http: Http, headers: dict[str, str], body: bytes) -> Call:
    return Call(http, UNARY, headers, body, body)


_FLOODED = Call(Http.TWO, "/bench.Echo/Flood", GRPC_HEADERS, enveloped(_FLOOD), enveloped(SMALL) * FLOOD)

SCENARIOS = (
    Scenario("Connect HTTP/1.1", H1, Load(_call(Http.ONE, CONNECT, SMALL), 32, 1)),
    Scenario("Connect h2", H2, Load(_call(Http.TWO, CONNECT, SMALL), 4, 16)),
    Scenario("gRPC", GRPC, Load(_call(Http.TWO, GRPC_HEADERS, enveloped(SMALL)), 4, 16)),
    Scenario("gRPC, a stream of 10,000, each message", GRPC, Load(_FLOODED, 1, 1), FLOOD),
    Scenario("gRPC, 1 MiB each way", GRPC, Load(_call(Http.TWO, GRPC_HEADERS, enveloped(_LARGE)), 4, 1)),
)


@dataclass(frozen=True)
class Cost:
    """What one server did under one load."""

    per_second: float
    cpu_us: float


Costs = dict[str, dict[str, list[Cost]]]
Memory = dict[str, list[float]]


def main(arguments: list[str]) -> int:
    """Runs the suite with the options of the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="run.py server", description="Compares Python servers.")
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="length of each load (default: %(default)s)")
    parser.add_argument("--only", default="", help="only servers whose name contains this")
    parser.add_argument("--scenario", default="", help="only scenarios whose name contains this")
    options = parser.parse_args(arguments)
    try:
        make_stubs()
        with tempfile.TemporaryDirectory(prefix="landbridge-bench-") as logs:
            costs, memory = _measure(options, Path(logs))
    except BenchError as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 2
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        scenario: {name: [asdict(cost) for cost in of] for name, of in by.items()}
        for scenario, by in costs.items()
    }
    RESULT.write_text(json.dumps({"costs": kept, IDLE: memory}, indent=1))
    _print(costs, memory)
    print(f"\nevery sample: {RESULT}")
    return 0


def _measure(options: argparse.Namespace, logs: Path) -> tuple[Costs, Memory]:
    costs: Costs = {}
    memory: Memory = {}
    cores = Cores.of_this_machine()
    for repeat in range(options.repeats):
        for server in SERVERS:
            if options.only not in server.name:
                continue
            for scenario in SCENARIOS:
                if options.scenario not in scenario.name or scenario.protocol not in server.carries:
                    continue
                print(f"[{repeat + 1}/{options.repeats}] {server.name}: {scenario.name}", file=sys.stderr)
                cost = _cost(server, scenario, options.seconds, cores, logs)
                costs.setdefault(scenario.name, {}).setdefault(server.name, []).append(cost)
            if GRPC in server.carries and server.holds_idle_streams and options.scenario in IDLE:
                print(f"[{repeat + 1}/{options.repeats}] {server.name}: {IDLE}", file=sys.stderr)
                memory.setdefault(server.name, []).append(_held(server, cores, logs))
    return costs, memory


def _cost(server: PythonServer, scenario: Scenario, seconds: int, cores: Cores, logs: Path) -> Cost:
    with running(server, cores, logs) as (child, port):
        try:
            scenario.load.call.check(port)
            scenario.load.run(port, WARM_UP_S, cores)
            before = cpu_seconds(child.pid)
            result = scenario.load.run(port, seconds, cores)
            used = cpu_seconds(child.pid) - before
        except BenchError as failure:
            raise BenchError(f"{server.name}, {scenario.name}: {failure}") from failure
    done = result.requests * scenario.messages
    return Cost(per_second=done / result.seconds, cpu_us=used / done * 1e6)


def _held(server: PythonServer, cores: Cores, logs: Path) -> float:
    with running(server, cores, logs) as (child, port), idle_streams(port, 1000, 10, cores, logs):
        return pss_mib(child.pid)


def _print(costs: Costs, memory: Memory) -> None:
    for scenario, by_server in costs.items():
        print(f"\n{scenario}")
        base = by_server.get(GRPCIO_AIO)
        for name, samples in by_server.items():
            cpu = median(cost.cpu_us for cost in samples)
            line = f"  {name:24} {median(cost.per_second for cost in samples):12,.0f}/s  {cpu:9.1f} us CPU"
            if base:
                line += f"  {median(cost.cpu_us for cost in base) / cpu:6.1f}x grpcio asyncio"
            print(line)
    if memory:
        print(f"\n{IDLE}")
        for name, sizes in memory.items():
            print(f"  {name:24} {median(sizes):8.1f}")
    print()
    for line in _verdict(costs, memory):
        print(line)


def _verdict(costs: Costs, memory: Memory) -> list[str]:
    def cpu(scenario: str, name: str) -> float | None:
        samples = costs.get(scenario, {}).get(name)
        return None if samples is None else median(cost.cpu_us for cost in samples)

    ours = cpu("gRPC", LANDBRIDGE_ASYNC)
    rivals = [cpu("gRPC", server.name) for server in SERVERS if server.is_connect_python]
    best = min((cost for cost in rivals if cost is not None), default=None)
    flood = "gRPC, a stream of 10,000, each message"

    def held(name: str) -> float | None:
        sizes = memory.get(name)
        return None if sizes is None else median(sizes)

    return [
        _judged("gRPC unary against grpcio asyncio", 10, cpu("gRPC", GRPCIO_AIO), ours),
        _judged("gRPC unary against the best connectrpc", 4, best, ours),
        _judged(
            "streamed messages against grpcio asyncio",
            5,
            cpu(flood, GRPCIO_AIO),
            cpu(flood, LANDBRIDGE_ASYNC),
        ),
        _judged("memory of idle streams, grpcio's to ours", 1, held(GRPCIO_AIO), held(LANDBRIDGE_ASYNC)),
    ]


def _judged(what: str, wanted: float, theirs: float | None, ours: float | None) -> str:
    if not theirs or not ours:
        return f"{what}: at least {wanted}x: not measured"
    ratio = theirs / ours
    return f"{what}: at least {wanted}x: {ratio:.1f}x, {'met' if ratio >= wanted else 'NOT MET'}"
