"""A row of the demo's table: one call by one client, and the check of its answer."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Check = Callable[[], str]
"""Makes the call, asserts what came back, and says it in a few words."""


@dataclass(frozen=True)
class Row:
    """One call by one client."""

    client: str
    protocol: str
    http: str
    call: str
    check: Check


@dataclass(frozen=True)
class Result:
    """What became of a row."""

    row: Row
    passed: bool
    said: str
    milliseconds: float


def run(rows: Iterable[Row]) -> Iterable[Result]:
    """Run each row; a row that raises has failed, whatever it raises."""
    for row in rows:
        started = time.monotonic()
        try:
            said, passed = row.check(), True
        except Exception as error:
            said, passed = _in_one_line(error), False
        yield Result(row, passed, said, (time.monotonic() - started) * 1000)


def _in_one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def expect(what: str, got: object, wanted: object) -> None:
    """Fail the row when `got` is not `wanted`."""
    if got != wanted:
        raise AssertionError(f"{what}: wanted {wanted!r}, got {got!r}")
