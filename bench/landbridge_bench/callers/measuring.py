"""Calls again and again, and what they cost this process."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from statistics import median

SMALL = b"hello you"
"""The content of a message of eleven bytes."""
FLOOD = 10_000
"""Messages of one stream."""
WARM_UP_S = 0.5


def arguments() -> tuple[int, str, int, float]:
    """Port, what to do, calls at once, seconds."""
    port, what, at_once, seconds = sys.argv[1:]
    return int(port), what, int(at_once), float(seconds)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _report(latencies: list[float], seconds: float, cpu: float) -> None:
    print(
        json.dumps(
            {
                "calls": len(latencies),
                "seconds": seconds,
                "cpu": cpu,
                "latency": median(latencies),
            }
        )
    )


async def measure(call: Callable[[], Awaitable[None]]) -> None:
    """Have so many tasks call for so long."""
    _, _, at_once, seconds = arguments()

    async def run(until: float, latencies: list[float]) -> None:
        while (before := time.perf_counter()) < until:
            await call()
            latencies.append(time.perf_counter() - before)

    async def all_of(length: float) -> list[float]:
        latencies: list[float] = []
        until = time.perf_counter() + length
        await asyncio.gather(*(run(until, latencies) for _ in range(at_once)))
        return latencies

    await all_of(WARM_UP_S)
    cpu, started = _cpu_seconds(), time.perf_counter()
    latencies = await all_of(seconds)
    _report(latencies, time.perf_counter() - started, _cpu_seconds() - cpu)


def measure_sync(call: Callable[[], None]) -> None:
    """The same with threads."""
    _, _, at_once, seconds = arguments()

    def run(until: float, latencies: list[float]) -> None:
        while (before := time.perf_counter()) < until:
            call()
            latencies.append(time.perf_counter() - before)

    def all_of(length: float) -> list[float]:
        latencies: list[float] = []
        until = time.perf_counter() + length
        threads = [threading.Thread(target=run, args=(until, latencies)) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return latencies

    all_of(WARM_UP_S)
    cpu, started = _cpu_seconds(), time.perf_counter()
    latencies = all_of(seconds)
    _report(latencies, time.perf_counter() - started, _cpu_seconds() - cpu)
