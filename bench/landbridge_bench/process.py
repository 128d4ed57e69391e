"""A child process on chosen cores, and what the kernel says it has used."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from .error import BenchError

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
STOP_TIMEOUT_S = 10


@dataclass(frozen=True)
class Memory:
    """Sizes in KiB: resident now, resident at most since the start, and the proportional share now."""

    rss: int
    peak_rss: int
    pss: int


class Child:
    """A running command; leaving the `with` block ends it."""

    def __init__(self, command: list[str], cores: Iterable[int], log: Path) -> None:
        self.command = command
        self._log = log
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [*pinned(cores), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
            )

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def read_line(self) -> str:
        """Waits for the next line of output; one that ended instead is an error, with what it logged."""
        line = _open(self._process.stdout).readline()
        if not line:
            raise self.ended()
        return line.decode().strip()

    def close_input(self) -> None:
        """Closes the command's standard input, the sign for our own tools to finish."""
        _open(self._process.stdin).close()

    def check_running(self) -> None:
        """Raises when the command has ended."""
        if self._process.poll() is not None:
            raise self.ended()

    def ended(self) -> BenchError:
        """The error of a command that should still run: how it ended and what it logged last."""
        code = self._process.wait(STOP_TIMEOUT_S)
        how = signal.Signals(-code).name if code < 0 else f"status {code}"
        last = self._log.read_text(errors="replace").strip().splitlines()[-10:]
        return BenchError("\n".join([f"{' '.join(self.command)} ended with {how}:", *last]))

    def cpu_seconds(self) -> float:
        """Processor time used so far by all the threads of the process, in user and kernel mode."""
        self.check_running()
        stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        # The name before the last parenthesis may hold spaces; utime and stime are fields 14 and 15.
        after_name = stat.rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / TICKS_PER_SECOND

    def memory(self) -> Memory:
        """What the process holds now."""
        self.check_running()
        status = _kib_fields(Path(f"/proc/{self._process.pid}/status"))
        rollup = _kib_fields(Path(f"/proc/{self._process.pid}/smaps_rollup"))
        return Memory(rss=rollup["Rss"], peak_rss=status["VmHWM"], pss=rollup["Pss"])


def pinned(cores: Iterable[int]) -> list[str]:
    """What to put before a command so that it runs on these cores only (it keeps its process id)."""
    return ["taskset", "--cpu-list", ",".join(map(str, sorted(cores)))]


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "every child is started with pipes"
    return pipe


def _kib_fields(path: Path) -> dict[str, int]:
    lines = (line.split() for line in path.read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if words[-1:] == ["kB"]}
