"""The client suite: Python clients in turn, one process each on one core; the echo has the others.

All speak gRPC, except Connect-Python over httpx, which has only Connect; all over HTTP/2 in cleartext.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from . import programs
from .cores import Cores
from .error import BenchError
from .process import Child
from .python_stubs import STUBS, make_stubs
from .upstream import upstream

RESULT = programs.REPOSITORY / "target" / "bench" / "client.json"
FLOOD = 10_000


@dataclass(frozen=True)
class Scenario:
    """What is called, how many calls are made at once, and how many messages one call stands for."""

    name: str
    what: str
    at_once: int
    messages: int = 1


ONE = Scenario("unary, 1 at once", "unary", 1)
MANY = Scenario("unary, 32 at once", "unary", 32)
STREAM = Scenario("a stream of 10,000 messages, each", "flood", 1, FLOOD)
SCENARIOS = (ONE, MANY, STREAM)


@dataclass(frozen=True)
class Caller:
    """A client: its module, its stubs, and the Python that has its libraries."""

    module: str
    stubs: str
    python: Path = Path(sys.executable)


OURS, OURS_SYNC = "landbridge async", "landbridge sync"
GRPCIO, GRPCIO_SYNC = "grpcio asyncio", "grpcio sync"
CONNECTRPC, CONNECTRPC_SYNC = "connectrpc async", "connectrpc sync"
HTTPX, HTTPX_SYNC = "connectrpc on httpx async", "connectrpc on httpx sync"

CALLERS = {
    OURS: Caller("landbridge_aio", "landbridge"),
    OURS_SYNC: Caller("landbridge_sync", "landbridge"),
    GRPCIO: Caller("grpcio_aio", "grpc"),
    GRPCIO_SYNC: Caller("grpcio_sync", "grpc"),
    "grpclib": Caller("grpclib_aio", "grpc"),
    CONNECTRPC: Caller("connectrpc_aio", "connectrpc"),
    CONNECTRPC_SYNC: Caller("connectrpc_sync", "connectrpc"),
    HTTPX: Caller("connectrpc_httpx_aio", "connectrpc_httpx", programs.HTTPX_PYTHON),
    HTTPX_SYNC: Caller("connectrpc_httpx_sync", "connectrpc_httpx", programs.HTTPX_PYTHON),
}
"""By name."""


@dataclass(frozen=True)
class Cost:
    """What one client did: calls or messages a second, CPU and latency of each in microseconds."""

    per_second: float
    cpu_us: float
    latency_us: float


Costs = dict[str, dict[str, list[Cost]]]


def main(arguments: list[str]) -> int:
    """Runs the suite with the options of the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="run.py client", description="Compares Python clients.")
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=3, help="length of each load (default: %(default)s)")
    parser.add_argument("--only", default="", help="only clients whose name contains this")
    parser.add_argument("--scenario", default="", help="only scenarios whose name contains this")
    options = parser.parse_args(arguments)
    try:
        make_stubs()
        with tempfile.TemporaryDirectory(prefix="landbridge-bench-") as logs:
            costs = _measure(options, Path(logs))
    except BenchError as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 2
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        scenario: {name: [asdict(cost) for cost in of] for name, of in by.items()}
        for scenario, by in costs.items()
    }
    RESULT.write_text(json.dumps(kept, indent=1))
    _print(costs)
    print(f"\nevery sample: {RESULT}")
    return 0


def _measure(options: argparse.Namespace, logs: Path) -> Costs:
    costs: Costs = {}
    cores = Cores.of_this_machine()
    for repeat in range(options.repeats):
        for name in CALLERS:
            if options.only not in name:
                continue
            for scenario in SCENARIOS:
                if options.scenario not in scenario.name:
                    continue
                print(f"[{repeat + 1}/{options.repeats}] {name}: {scenario.name}", file=sys.stderr)
                cost = _cost(name, scenario, options.seconds, cores, logs)
                costs.setdefault(scenario.name, {}).setdefault(name, []).append(cost)
    return costs


def _cost(name: str, scenario: Scenario, seconds: float, cores: Cores, logs: Path) -> Cost:
    caller = CALLERS[name]
    paths = (
        programs.REPOSITORY / "bench",
        programs.REPOSITORY / "python",
        STUBS / "common",
        STUBS / caller.stubs,
    )
    command = [
        "env",
        f"PYTHONPATH={os.pathsep.join(map(str, paths))}",
        str(caller.python),
        "-m",
        f"landbridge_bench.callers.{caller.module}",
    ]
    with upstream(cores, logs) as echo:
        arguments = [str(echo.port), scenario.what, str(scenario.at_once), str(seconds)]
        with Child([*command, *arguments], cores.proxy, logs / f"{caller.module}.log") as child:
            result = json.loads(child.read_line())
    done = result["calls"] * scenario.messages
    return Cost(
        per_second=done / result["seconds"],
        cpu_us=result["cpu"] / done * 1e6,
        latency_us=result["latency"] * 1e6,
    )


def _print(costs: Costs) -> None:
    for scenario, by_client in costs.items():
        print(f"\n{scenario}")
        for name, samples in by_client.items():
            rate = median(cost.per_second for cost in samples)
            cpu = median(cost.cpu_us for cost in samples)
            latency = median(cost.latency_us for cost in samples)
            print(f"  {name:25} {rate:12,.0f}/s  {cpu:9.1f} us CPU  {latency:12.0f} us latency")
    print()
    for line in _verdict(costs):
        print(line)


def _verdict(costs: Costs) -> list[str]:
    def cpu(scenario: Scenario, name: str) -> float | None:
        samples = costs.get(scenario.name, {}).get(name)
        return None if samples is None else median(cost.cpu_us for cost in samples)

    def latency(name: str) -> float | None:
        samples = costs.get(ONE.name, {}).get(name)
        return None if samples is None else median(cost.latency_us for cost in samples)

    return [
        _judged("CPU at 32, grpcio asyncio's to ours", 4, cpu(MANY, GRPCIO), cpu(MANY, OURS)),
        _judged("CPU at 32, connectrpc async's to ours", 10, cpu(MANY, CONNECTRPC), cpu(MANY, OURS)),
        _judged("CPU at 32, connectrpc sync's to ours", 10, cpu(MANY, CONNECTRPC_SYNC), cpu(MANY, OURS_SYNC)),
        _judged("CPU at 32, connectrpc on httpx async's to ours", 10, cpu(MANY, HTTPX), cpu(MANY, OURS)),
        _judged(
            "CPU at 32, connectrpc on httpx sync's to ours", 10, cpu(MANY, HTTPX_SYNC), cpu(MANY, OURS_SYNC)
        ),
        _judged("latency at 1, grpcio asyncio's to ours", 2, latency(GRPCIO), latency(OURS)),
        _judged("latency at 1, grpcio sync's to ours", 2, latency(GRPCIO_SYNC), latency(OURS_SYNC)),
        _judged("streamed messages, grpcio asyncio's to ours", 5, cpu(STREAM, GRPCIO), cpu(STREAM, OURS)),
        _judged(
            "streamed messages, grpcio sync's to ours", 5, cpu(STREAM, GRPCIO_SYNC), cpu(STREAM, OURS_SYNC)
        ),
    ]


def _judged(what: str, wanted: float, theirs: float | None, ours: float | None) -> str:
    if not theirs or not ours:
        return f"{what}: at least {wanted}x: not measured"
    ratio = theirs / ours
    return f"{what}: at least {wanted}x: {ratio:.1f}x, {'met' if ratio >= wanted else 'NOT MET'}"
