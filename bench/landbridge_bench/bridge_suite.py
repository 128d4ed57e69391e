"""The bridge suite: Envoy and landbridge in turn, with one file, one upstream and one load.

Both run with one worker, alone on one core; the load generator and the upstream share the other cores.
Each measurement is a fresh proxy and a fresh upstream: the call is checked once, repeated for a moment to
warm up, and then measured. The contestants take turns within every repeat, so what else happens on the
machine meets both.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from . import programs, report
from .contestants import ENVOY, LANDBRIDGE, Contestant, proxy
from .cores import Cores
from .error import BenchError
from .measurements import Cost, Held, Measurements
from .scenarios import IDLE, THROUGHPUT, IdleMemory, Throughput
from .upstream import idle_streams, upstream

WARM_UP_S = 1
RESULT = programs.REPOSITORY / "target" / "bench" / "bridge.json"
SEED_FILE = programs.REPOSITORY / "demo" / "envoy.yaml"


def main(arguments: list[str]) -> int:
    """Runs the suite with the options of the command line; returns the exit status."""
    options = _options(arguments)
    # So that a stopped benchmark leaves its `with` blocks, and no process stays behind.
    signal.signal(signal.SIGTERM, _stop)
    try:
        with tempfile.TemporaryDirectory(prefix="landbridge-bench-") as logs:
            measured = _measure(options, Path(logs))
    except BenchError as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 2
    report.write(measured, RESULT)
    print(report.table(measured))
    verdict = report.verdict(measured)
    print("\n".join(str(line) for line in verdict))
    print(f"\nevery sample: {RESULT}")
    return 1 if options.check and not all(line.met for line in verdict) else 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py bridge", description="Compares landbridge with Envoy.")
    parser.add_argument(
        "--config", type=Path, default=SEED_FILE, help="the Envoy file (default: %(default)s)"
    )
    parser.add_argument(
        "--repeats", type=int, default=3, help="measurements of each scenario (default: %(default)s)"
    )
    parser.add_argument("--seconds", type=int, default=5, help="length of each load (default: %(default)s)")
    parser.add_argument("--scenario", default="", help="only scenarios whose name contains this")
    parser.add_argument(
        "--only", choices=["envoy", "landbridge"], help="measure one contestant, compare nothing"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 unless every target is met")
    return parser.parse_args(arguments)


def _stop(*_: object) -> NoReturn:
    raise SystemExit("bench: stopped")


def _measure(options: argparse.Namespace, logs: Path) -> Measurements:
    contestants = [one for one in (ENVOY, LANDBRIDGE) if options.only in (None, one.program)]
    cores = Cores.of_this_machine()
    measured = Measurements.on_this_machine(contestants)
    for repeat in range(options.repeats):
        for scenario in (*THROUGHPUT, IDLE):
            if options.scenario not in scenario.name:
                continue
            for contestant in contestants:
                print(f"[{repeat + 1}/{options.repeats}] {contestant.name}: {scenario.name}", file=sys.stderr)
                try:
                    match scenario:
                        case Throughput():
                            cost = _cost(scenario, contestant, options, cores, logs)
                            measured.add_cost(scenario.name, contestant.name, cost)
                        case IdleMemory():
                            held = _held(scenario, contestant, options, cores, logs)
                            measured.add_held(scenario.name, contestant.name, held)
                except BenchError as failure:
                    raise BenchError(f"{contestant.name}, {scenario.name}: {failure}") from failure
    return measured


def _cost(
    scenario: Throughput, contestant: Contestant, options: argparse.Namespace, cores: Cores, logs: Path
) -> Cost:
    load = scenario.load
    with (
        upstream(cores, logs) as behind,
        proxy(contestant, options.config, behind.port, cores, logs) as measured,
    ):
        load.call.check(measured.port)
        warm_up = load.run(measured.port, WARM_UP_S, cores)
        before = measured.child.cpu_seconds()
        result = load.run(measured.port, options.seconds, cores)
        cpu = measured.child.cpu_seconds() - before
        memory = measured.child.memory()
        answered = behind.stop_and_count()
    asked = warm_up.requests + result.requests
    if answered < asked:
        raise BenchError(f"the upstream answered {answered} calls, but the load counted {asked} answers")
    return Cost(
        requests_per_second=result.requests / result.seconds,
        cpu_us_per_request=cpu / result.requests * 1e6,
        busy=cpu / result.seconds,
        p50_us=result.p50_us,
        p99_us=result.p99_us,
        rss_kib=memory.rss,
        peak_rss_kib=memory.peak_rss,
    )


def _held(
    scenario: IdleMemory, contestant: Contestant, options: argparse.Namespace, cores: Cores, logs: Path
) -> Held:
    with (
        upstream(cores, logs) as behind,
        proxy(contestant, options.config, behind.port, cores, logs) as measured,
    ):
        empty = measured.child.memory()
        with idle_streams(measured.port, scenario.streams, scenario.connections, cores, logs):
            full = measured.child.memory()
    return Held(
        rss_kib=full.rss,
        pss_kib=full.pss,
        empty_rss_kib=empty.rss,
        rss_kib_per_stream=(full.rss - empty.rss) / scenario.streams,
    )
