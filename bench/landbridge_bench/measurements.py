"""What was measured: every sample, and the medians the report speaks of."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from . import programs
from .contestants import Contestant


@dataclass(frozen=True)
class Cost:
    """One load on one proxy.

    `busy` is the share of one core that the proxy used: below about 0.9 something else was the limit, and
    only the CPU per request says what the proxy could do.
    """

    requests_per_second: float
    cpu_us_per_request: float
    busy: float
    p50_us: float
    p99_us: float
    rss_kib: int
    peak_rss_kib: int


@dataclass(frozen=True)
class Held:
    """The memory of one proxy with idle streams open, and before they were opened."""

    rss_kib: int
    pss_kib: int
    empty_rss_kib: int
    rss_kib_per_stream: float


@dataclass
class Measurements:
    """Samples by scenario, then by contestant."""

    machine: dict[str, str]
    costs: dict[str, dict[str, list[Cost]]] = field(default_factory=dict)
    held: dict[str, dict[str, list[Held]]] = field(default_factory=dict)

    @classmethod
    def on_this_machine(cls, contestants: Iterable[Contestant]) -> Measurements:
        """Nothing yet, on this machine, with these programs."""
        tools = [contestant.program for contestant in contestants] + ["h2load", "wrk"]
        cpus = f"{len(os.sched_getaffinity(0))} x {_cpu_model()}"
        return cls({"cpu": cpus, **{tool: programs.version(tool) for tool in tools}})

    def add_cost(self, scenario: str, contestant: str, cost: Cost) -> None:
        """One more sample of a load."""
        self.costs.setdefault(scenario, {}).setdefault(contestant, []).append(cost)

    def add_held(self, scenario: str, contestant: str, held: Held) -> None:
        """One more sample of the memory of idle streams."""
        self.held.setdefault(scenario, {}).setdefault(contestant, []).append(held)

    def as_json(self) -> dict[str, object]:
        """Everything, in the types JSON has."""
        return asdict(self)


Sample = TypeVar("Sample")


def median(samples: Iterable[Sample], of: Callable[[Sample], float]) -> float:
    """The median of one figure of the samples."""
    return statistics.median(of(sample) for sample in samples)


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown CPU")
