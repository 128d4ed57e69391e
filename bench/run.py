"""Runs a benchmark suite, `run.py bridge`, `run.py server` or `run.py client`.

`run.py tools` only looks for the programs it needs.
"""

from __future__ import annotations

import sys

from landbridge_bench import bridge_suite, client_suite, programs, server_suite
from landbridge_bench.error import BenchError


def tools(_: list[str]) -> int:
    """Says how to get the load generators that are missing; everything else is built or installed by make."""
    try:
        programs.require("h2load", "nghttp", "wrk")
    except BenchError as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 2
    return 0


SUITES = {
    "bridge": bridge_suite.main,
    "server": server_suite.main,
    "client": client_suite.main,
    "tools": tools,
}


def main() -> int:
    """Hands the rest of the command line to what it names."""
    if len(sys.argv) < 2 or sys.argv[1] not in SUITES:
        print(f"usage: run.py {{{','.join(SUITES)}}} [options]", file=sys.stderr)
        return 2
    return SUITES[sys.argv[1]](sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
