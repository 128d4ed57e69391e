"""Runs a benchmark suite: `python3 bench/run.py bridge`."""

from __future__ import annotations

import sys

from landbridge_bench import bridge_suite

SUITES = {"bridge": bridge_suite.main}


def main() -> int:
    """Hands the rest of the command line to the suite it names."""
    if len(sys.argv) < 2 or sys.argv[1] not in SUITES:
        print(f"usage: run.py {{{','.join(SUITES)}}} [options]", file=sys.stderr)
        return 2
    return SUITES[sys.argv[1]](sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
