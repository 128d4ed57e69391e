"""The echo server behind every proxy, and the client that holds streams open in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import programs
from .cores import Cores
from .error import BenchError
from .process import Child

ECHO = "landbridge-bench-echo"


@dataclass(frozen=True)
class Upstream:
    """`landbridge-bench-echo serve`, on a port the system chose."""

    child: Child
    port: int

    def stop_and_count(self) -> int:
        """Ends the server; returns how many calls it answered with an echo and status 0."""
        self.child.close_input()
        return int(_word_after("answered", self.child.read_line()))


@contextmanager
def upstream(cores: Cores, logs: Path) -> Iterator[Upstream]:
    """Runs the echo server while the block runs."""
    with Child([programs.find(ECHO), "serve"], cores.others, logs / "upstream.log") as child:
        yield Upstream(child, int(_word_after("listening", child.read_line()).rpartition(":")[2]))


@contextmanager
def idle_streams(port: int, streams: int, connections: int, cores: Cores, logs: Path) -> Iterator[None]:
    """Holds streams open while the block runs, each after one message went to the upstream and back."""
    command = [programs.find(ECHO), "idle", "--target", f"127.0.0.1:{port}"]
    shape = ["--streams", str(streams), "--connections", str(connections)]
    with Child([*command, *shape], cores.others, logs / "idle.log") as child:
        opened = int(_word_after("open", child.read_line()))
        if opened != streams:
            raise BenchError(f"{opened} of {streams} idle streams were opened")
        yield
        child.check_running()


def _word_after(word: str, line: str) -> str:
    first, _, rest = line.partition(" ")
    if first != word:
        raise BenchError(f"{ECHO} printed {line!r} where {word!r} was expected")
    return rest
