"""The threads of this process as the system sees them: Python does not know those of the core."""

from collections.abc import Iterator
from pathlib import Path

TASKS = Path("/proc/self/task")

_KEPT = 15
"""Characters of a thread's name that the system keeps."""


def named(beginning: str) -> Iterator[Path]:
    """The folders of the threads whose names begin so."""
    for task in TASKS.iterdir() if TASKS.exists() else ():
        try:
            name = (task / "comm").read_text().strip()
        except OSError:
            # It has ended.
            continue
        if name.startswith(beginning[:_KEPT]):
            yield task


def times_waited(beginning: str) -> int:
    """How often the threads whose names begin so have given up their core to wait."""
    waited = 0
    for task in named(beginning):
        _, _, after = (task / "status").read_text().partition("\nvoluntary_ctxt_switches:")
        waited += int(after.split()[0])
    return waited
