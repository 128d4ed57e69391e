"""A bridge process: started from an Envoy file, used once it is ready."""

import json
import os
import shlex
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.running.paths import RELEASE_BINARY
from tests.running.processes import ProcessEndedError, running

T = TypeVar("T")

START_SECONDS = 15.0
"""How long a bridge may take until it is ready."""

COMMAND_VARIABLE = "LANDBRIDGE_BRIDGE_COMMAND"
"""Names another program with Envoy's command line to run in the bridge's place, to compare the two."""


def bridge_command() -> list[str]:
    """Return the start of the command line: what comes before Envoy's own flags."""
    if replacement := os.environ.get(COMMAND_VARIABLE):
        return shlex.split(replacement)
    if not RELEASE_BINARY.exists():
        raise FileNotFoundError(f"{RELEASE_BINARY} is not built: run `make build`")
    return [str(RELEASE_BINARY), "bridge"]


@dataclass(frozen=True)
class Bridge:
    """A bridge that has said it is ready."""

    process: subprocess.Popen[bytes]
    admin: str
    """`HOST:PORT` of the admin listener."""
    listeners: Mapping[str, int]
    """The port that each listener of the file is bound to, by the listener's name."""
    log: Path

    @property
    def port(self) -> int:
        """The port of the file's only listener."""
        (port,) = self.listeners.values()
        return port

    @property
    def address(self) -> str:
        """`HOST:PORT` of the file's only listener, over loopback."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The only listener as a cleartext HTTP origin."""
        return f"http://{self.address}"

    def admin_text(self, path: str) -> str:
        """Fetch one page of the admin listener."""
        with urllib.request.urlopen(f"http://{self.admin}{path}", timeout=5) as answer:
            body: bytes = answer.read()
        return body.decode()


@contextmanager
def running_bridge(
    config: Mapping[str, Any] | Path, *, flags: Sequence[str] = (), log: Path | None = None
) -> Iterator[Bridge]:
    """Run a bridge from an Envoy file, or from the content of one, and yield it when it is ready.

    What it logs goes to `log`, or to a file that lives as long as the bridge does.
    """
    with tempfile.TemporaryDirectory(prefix="landbridge-") as folder:
        place = Path(folder)
        file = config if isinstance(config, Path) else place / "envoy.json"
        if not isinstance(config, Path):
            file.write_text(json.dumps(config))
        admin_file = place / "admin-address"
        log = log or place / "bridge.log"
        command = [*bridge_command(), "-c", str(file), "--admin-address-path", str(admin_file), *flags]
        with running(command, log=log) as process:
            start = _Start(process, log)
            admin = start.wait_for(lambda: _content(admin_file), "write its admin address")
            start.wait_for(lambda: _page(f"http://{admin}/ready"), "answer /ready on its admin address")
            listeners = start.wait_for(lambda: _listener_ports(admin), "tell its listeners' ports")
            yield Bridge(process, admin, listeners, log)


class _Start:
    """The wait for a process that is starting: over when a thing is there, or when the process is not."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log
        self._deadline = time.monotonic() + START_SECONDS

    def wait_for(self, look: Callable[[], T | None], what: str) -> T:
        while (found := look()) is None:
            try:
                # The process's end is the event to wait for; the pause in it is the time between looks.
                status = self._process.wait(0.01)
            except subprocess.TimeoutExpired:
                if time.monotonic() < self._deadline:
                    continue
                raise ProcessEndedError(
                    f"the bridge did not {what} in {START_SECONDS} s\n{self._said()}"
                ) from None
            raise ProcessEndedError(
                f"the bridge ended with status {status} before it could {what}\n{self._said()}"
            )
        return found

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]


def _content(file: Path) -> str | None:
    return (file.read_text().strip() or None) if file.exists() else None


def _page(url: str) -> bytes | None:
    """Return the body of a page that answers 200; nothing while it does not."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            body: bytes = answer.read()
            return body
    except (urllib.error.URLError, ConnectionError):
        return None


def _listener_ports(admin: str) -> Mapping[str, int] | None:
    page = _page(f"http://{admin}/listeners?format=json")
    statuses = json.loads(page).get("listener_statuses", []) if page else []
    return {
        status["name"]: status["local_address"]["socket_address"]["port_value"] for status in statuses
    } or None
