"""The table, the verdict and the file that a run leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .contestants import ENVOY, LANDBRIDGE
from .measurements import Measurements, Sample, median
from .scenarios import IDLE, THROUGHPUT

REQUESTS_PER_CPU_TARGET = 4.0
MEMORY_TARGET = 1 / 3

KIB_PER_MIB = 1024


@dataclass(frozen=True)
class Verdict:
    """A target and whether the medians reach it; a ratio that was not measured does not."""

    what: str
    target: str
    ratio: float | None
    met: bool

    def __str__(self) -> str:
        measured = (
            "not measured" if self.ratio is None else f"{self.ratio:.2f}x, {'met' if self.met else 'NOT MET'}"
        )
        return f"{self.what}: {self.target}: {measured}"


def verdict(measured: Measurements) -> list[Verdict]:
    """Every judged scenario against its target."""
    lines = []
    for scenario in THROUGHPUT:
        if scenario.judged:
            costs = measured.costs.get(scenario.name, {})
            ratio = _ratio(costs, lambda cost: 1 / cost.cpu_us_per_request)
            met = ratio is not None and ratio >= REQUESTS_PER_CPU_TARGET
            target = f"at least {REQUESTS_PER_CPU_TARGET:.0f}x Envoy's requests per CPU-second"
            lines.append(Verdict(scenario.name, target, ratio, met))
    ratio = _ratio(measured.held.get(IDLE.name, {}), lambda held: held.rss_kib)
    met = ratio is not None and ratio <= MEMORY_TARGET
    lines.append(Verdict(IDLE.name, "at most 1/3 of Envoy's memory (RSS)", ratio, met))
    return lines


def table(measured: Measurements) -> str:
    """The medians of every scenario for each contestant, and their ratio."""
    costs = _section(
        measured.costs,
        [
            ("req/s", lambda cost: cost.requests_per_second, "{:,.0f}"),
            ("CPU us/req", lambda cost: cost.cpu_us_per_request, "{:.1f}"),
            ("req/CPU-s", lambda cost: 1e6 / cost.cpu_us_per_request, "{:,.0f}"),
            ("core busy", lambda cost: cost.busy, "{:.2f}"),
            ("p50 us", lambda cost: cost.p50_us, "{:,.0f}"),
            ("p99 us", lambda cost: cost.p99_us, "{:,.0f}"),
            ("peak RSS MiB", lambda cost: cost.peak_rss_kib / KIB_PER_MIB, "{:.1f}"),
        ],
    )
    held = _section(
        measured.held,
        [
            ("RSS MiB", lambda held: held.rss_kib / KIB_PER_MIB, "{:.1f}"),
            ("PSS MiB", lambda held: held.pss_kib / KIB_PER_MIB, "{:.1f}"),
            ("RSS MiB without", lambda held: held.empty_rss_kib / KIB_PER_MIB, "{:.1f}"),
            ("KiB/stream", lambda held: held.rss_kib_per_stream, "{:.1f}"),
        ],
    )
    machine = [f"{what}: {value}" for what, value in measured.machine.items()]
    return "\n".join(["", *machine, "", *_aligned(costs), "", *_aligned(held), ""])


def write(measured: Measurements, path: Path) -> None:
    """Every sample and the verdict, for whoever wants to compare runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    judged = [
        {"what": line.what, "target": line.target, "ratio": line.ratio, "met": line.met}
        for line in verdict(measured)
    ]
    path.write_text(json.dumps({**measured.as_json(), "verdict": judged}, indent=2) + "\n")


def _section(
    samples: dict[str, dict[str, list[Sample]]], columns: list[tuple[str, Callable[[Sample], float], str]]
) -> list[list[str]]:
    rows = []
    for scenario, by_contestant in samples.items():
        rows.append([scenario, *(name for name, _, _ in columns)])
        for contestant, own in by_contestant.items():
            rows.append([f"  {contestant}", *(shape.format(median(own, of)) for _, of, shape in columns)])
        ratios = [_ratio(by_contestant, of) for _, of, _ in columns]
        rows.append(
            ["  landbridge / Envoy", *("-" if ratio is None else f"{ratio:.2f}x" for ratio in ratios)]
        )
    return rows


def _ratio(by_contestant: dict[str, list[Sample]], of: Callable[[Sample], float]) -> float | None:
    """Our median over Envoy's, where both were measured."""
    if ENVOY.name not in by_contestant or LANDBRIDGE.name not in by_contestant:
        return None
    envoy = median(by_contestant[ENVOY.name], of)
    return median(by_contestant[LANDBRIDGE.name], of) / envoy if envoy else None


def _aligned(rows: list[list[str]]) -> list[str]:
    if not rows:
        return []
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    ]
