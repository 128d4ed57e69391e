"""One run of the official runner, and what came of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.conformance import official
from tests.running.processes import running

_SENT = re.compile(r'^Sending request for "(?P<name>.*)"\.\.\.$', re.MULTILINE)
_FAILED = re.compile(r"^FAILED: (?P<name>.*):\n(?P<why>(?:\t.*\n?)+)", re.MULTILINE)
_TOTALS = re.compile(r"^(?P<passed>\d+) passed, (?P<failed>\d+) failed", re.MULTILINE)
_NOT_RUN = re.compile(r"^Another (?P<count>\d+) could not be run", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What the runner said of every case."""

    names: frozenset[str]
    """All cases for which a request was sent."""
    passed: int
    failures: dict[str, str]
    """Why each failed case failed."""
    not_run: int
    """Cases that the runner could not run, for the client having gone."""


class RunnerError(RuntimeError):
    """The runner did not come to an end of its own."""


def run(mode: Literal["client", "server"], config: Path, tested: Sequence[str | Path], log: Path) -> Outcome:
    """Run the suite against the program `tested`; all that the runner prints goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        official.program("connectconformance"),
        *("--mode", mode, "--conf", config),
        # Two verbose flags in one: the name of every case, which is what the excuses are computed from.
        "--vv",
        "--",
        *tested,
    ]
    log.unlink(missing_ok=True)
    with running(command, log=log) as process:
        status = process.wait()
    return parse(log.read_text(errors="replace"), status, log)


def parse(text: str, status: int, log: Path) -> Outcome:
    """Read what the runner printed before it ended with this status."""
    totals = _TOTALS.search(text)
    if totals is None:
        raise RunnerError(f"the runner printed no totals; its output is in {log}:\n{text[-2000:]}")
    not_run = _NOT_RUN.search(text)
    failures = {found["name"]: found["why"].rstrip() for found in _FAILED.finditer(text)}
    if len(failures) != int(totals["failed"]):
        raise RunnerError(
            f"the runner counted {totals['failed']} failures and named {len(failures)}; see {log}"
        )
    outcome = Outcome(
        names=frozenset(found["name"] for found in _SENT.finditer(text)) | failures.keys(),
        passed=int(totals["passed"]),
        failures=failures,
        not_run=int(not_run["count"]) if not_run else 0,
    )
    if status and not outcome.failures and not outcome.not_run:
        # Such as a client that has answered everything and then ends badly.
        raise RunnerError(f"no case failed, and yet the runner ended with status {status}; see {log}")
    return outcome
