"""A bridge that a snippet starts: used once it has said where it listens."""

import queue
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO

from tests.running.processes import end_group, running

DEADLINE_SECONDS = 30.0

_LISTENING = re.compile(r'listening.*address"?[=:]"?[^\s"]*:(\d+)')


@contextmanager
def listening(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[str]:
    """Run a bridge, and yield its port once it has said it."""
    with running(command, stdout=subprocess.PIPE, env=environment) as process:
        # Asked for as a pipe in the line above.
        assert process.stdout is not None
        output = _Output(process.stdout)
        try:
            yield output.port()
        finally:
            # Its output ends with it.
            end_group(process)
            output.join()


class _Output(threading.Thread):
    """Reads what a bridge says, to the end, so that it never waits for a reader."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._said: list[str] = []
        self._ports: queue.Queue[str | None] = queue.Queue()
        self.start()

    def run(self) -> None:
        """Read on until the bridge is gone."""
        with self._stream:
            for raw in self._stream:
                line = raw.decode(errors="replace")
                self._said.append(line)
                if found := _LISTENING.search(line):
                    self._ports.put(found[1])
        self._ports.put(None)

    def port(self) -> str:
        """Wait for the line in which the bridge says where it listens."""
        port = self._ports.get(timeout=DEADLINE_SECONDS)
        assert port is not None, f"the bridge ended before it listened:\n{''.join(self._said)}"
        return port
