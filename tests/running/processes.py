"""Child processes that never outlive the program that started them."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO

GRACE_SECONDS = 2.0
"""How long a process group may take to leave before it is killed.

Shorter than the five seconds after which the conformance runner kills a wrapper of ours, which has to have
ended its own processes by then.
"""


class ProcessEndedError(RuntimeError):
    """A process that should have been running has ended."""


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    log: Path | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` in a process group of its own, and end the whole group on the way out.

    Standard error goes to `log` when there is one; so does standard output, unless `stdout` says otherwise.
    """
    with _log_file(log) as log_file:
        process = subprocess.Popen(
            [os.fspath(part) for part in command],
            stdin=stdin,
            stdout=log_file if stdout is None else stdout,
            stderr=log_file,
            env=None if env is None else {**os.environ, **env},
            start_new_session=True,
            pass_fds=pass_fds,
        )
        try:
            yield process
        finally:
            end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Ask a process group to leave; kill whatever of it is left after a grace period."""
    deadline = time.monotonic() + GRACE_SECONDS
    _signal_group(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    # The leader may leave before its children have; nothing tells when the last of a group has gone.
    while _signal_group(process, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], which: int) -> bool:
    """Signal all of a group; return whether there was anything of it."""
    # The leader's id stays the group's for as long as anything of the group runs.
    try:
        os.killpg(process.pid, which)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def _log_file(log: Path | None) -> Iterator[IO[bytes] | None]:
    if log is None:
        yield None
        return
    with log.open("ab") as file:
        yield file


def leave_on_sigterm() -> None:
    """Turn SIGTERM into an ordinary exit, so that every `running` block above the call unwinds."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        # Once is enough: a second SIGTERM must not interrupt the unwinding.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(128 + signal.SIGTERM)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, leave)
