"""The operator's look at the bridge, over its admin port."""

from collections.abc import Iterator

import httpx

from demo.rows import Row, expect


def rows(origin: str) -> Iterator[Row]:
    """Readiness, and the count of the calls that this demo has made."""
    yield Row("httpx", "admin", "1.1", "/ready", lambda: _ready(origin))
    yield Row("httpx", "admin", "1.1", "/stats", lambda: _stats(origin))


def _ready(origin: str) -> str:
    answer = httpx.get(f"{origin}/ready")
    expect("answer", (answer.status_code, answer.text.strip()), (200, "LIVE"))
    return answer.text.strip()


def _stats(origin: str) -> str:
    lines = httpx.get(f"{origin}/stats").text.splitlines()
    stats = dict(line.split(": ", 1) for line in lines if ": " in line)
    calls = int(stats["cluster.service_0.upstream_rq_total"])
    expect("calls were counted", calls > 0, True)
    return f"{calls} calls went upstream"
