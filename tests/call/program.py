"""Running `landbridge call`."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.running.paths import RELEASE_BINARY
from tests.running.processes import running

TALK = "talk.v1.TalkService"

SECONDS = 30.0
"""How long a command may take."""


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def documents(self) -> list[Any]:
        """What it printed, a document a line; the command must have succeeded."""
        assert self.status == 0, self
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Program:
    """A way to run the command."""

    path: Path

    def call(self, *arguments: str | Path, typed: str = "") -> Done:
        """Run it to its end."""
        done = subprocess.run(
            [self.path, "call", *arguments],
            input=typed,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert "panicked" not in done.stderr
        assert "Traceback" not in done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def calling(self, *arguments: str | Path) -> Iterator["Conversation"]:
        """Run it, to be talked with."""
        command = [self.path, "call", *arguments]
        with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            conversation = Conversation(process)
            try:
                yield conversation
            finally:
                conversation.close()


class Conversation:
    """A command that is running."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        # Both are pipes, as `calling` has asked for.
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._typed = process.stdin
        self._said = process.stdout

    def type(self, text: str) -> None:
        """Type a line."""
        self._typed.write(text.encode() + b"\n")
        self._typed.flush()

    def end_typing(self) -> None:
        """Say that nothing follows."""
        self._typed.close()

    def stop_reading(self) -> None:
        """Close its standard output."""
        self._said.close()

    def next(self) -> Any:
        """Wait for the next document."""
        return json.loads(self._said.readline())

    def rest(self) -> bytes:
        """All that it still says, to its end."""
        return self._said.read()

    def status(self) -> int:
        """Wait for its end."""
        return self.process.wait(SECONDS)

    def close(self) -> None:
        """Let go of both pipes."""
        self._typed.close()
        self._said.close()


PROGRAMS = {
    "binary": Program(RELEASE_BINARY),
    "python": Program(Path(sys.executable).parent / "landbridge"),
}


def method(port: int, name: str) -> str:
    """Return the address of one of the talk service's methods."""
    return f"http://127.0.0.1:{port}/{TALK}/{name}"
