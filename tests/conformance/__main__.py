"""`python -m tests.conformance SUITE`: run one suite and say what came of it."""

import argparse
import sys
import time

from tests.conformance.suites import SUITES, Verdict, verdicts
from tests.running.processes import leave_on_sigterm

SHOWN_FAILURES = 40
"""Failures printed in full; all of them are in the log."""


def main() -> int:
    """Run the suite that the command line names."""
    parser = argparse.ArgumentParser(prog="tests.conformance", description=__doc__)
    parser.add_argument("suite", choices=SUITES)
    suite = SUITES[parser.parse_args().suite]
    leave_on_sigterm()
    started = time.monotonic()
    all_passed = True
    for verdict in verdicts(suite):
        _print(verdict, time.monotonic() - started)
        all_passed &= verdict.passed
        started = time.monotonic()
    return 0 if all_passed else 1


def _print(verdict: Verdict, seconds: float) -> None:
    outcome = verdict.outcome
    print(
        f"\n{verdict.run.name}: {len(outcome.names)} cases in {seconds:.0f} s; all output is in {verdict.log}"
    )
    if verdict.excused:
        print(f"excused, because the backend fails them when it is called directly: {len(verdict.excused)}")
        for name in sorted(verdict.excused):
            print(f"  {name}")
    if outcome.not_run:
        print(f"NOT RUN: {outcome.not_run}, for the program under test having gone")
    for name in sorted(verdict.ours)[:SHOWN_FAILURES]:
        print(f"FAILED: {name}\n{verdict.ours[name]}")
    if len(verdict.ours) > SHOWN_FAILURES:
        print(f"... and {len(verdict.ours) - SHOWN_FAILURES} more")
    print(f"{outcome.passed} passed, {len(verdict.ours) + outcome.not_run} failed", flush=True)


if __name__ == "__main__":
    sys.exit(main())
