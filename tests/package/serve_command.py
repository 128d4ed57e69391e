"""`landbridge serve` as a process, and an application whose calls end when a test says so."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.running.paths import OWN_STUBS, ROOT
from tests.running.processes import end_group

LANDBRIDGE = Path(sys.executable).parent / "landbridge"
SAY = "/talk.v1.TalkService/Say"


class Started:
    """A running `landbridge serve`, in a process group of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._said = process.stderr

    def says(self, pattern: str) -> re.Match[str]:
        """Wait until it says something."""
        assert self._said is not None
        for line in self._said:
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"it ended without saying {pattern}")

    def serves(self) -> tuple[str, str]:
        """Wait until a process serves; gives its id and the URL of a method."""
        found = self.says(r"INFO (\d+) landbridge: serving on (http\S+)")
        return found[1], found[2] + SAY


@contextmanager
def started(*arguments: str) -> Iterator[Started]:
    """Run `landbridge serve`, and end it afterwards."""
    process = subprocess.Popen(
        [LANDBRIDGE, "serve", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, OWN_STUBS)))},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Started(process)
    finally:
        end_group(process)  # type: ignore[arg-type]
        assert process.stderr is not None
        process.stderr.close()


SLOW = """
import asyncio, logging, os, pathlib, signal
from examples.talk_async import Talk
from talk.v1 import talk_pb2
from talk.v1.talk_connect import TalkServiceASGIApplication

log = logging.getLogger("slow")
go = pathlib.Path(__file__).with_name("go")

class Slow(Talk):
    async def say(self, request, ctx):
        kind = request.sentence
        if kind == "quick":
            return talk_pb2.SayResponse(sentence="done")
        if kind == "blocking":
            signals, told = os.pipe()
            os.set_blocking(told, False)
            signal.set_wakeup_fd(told)
        log.info("%s has begun", kind)
        while kind == "blocking":
            # Nothing else happens in the event loop.
            os.read(signals, 1)
            log.info("a signal came")
        while not go.exists():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                if kind == "stubborn":
                    continue
                log.info("%s was cancelled", kind)
                raise
        return talk_pb2.SayResponse(sentence="done")

async def service():
    yield Slow()
    log.info("the lifespan has ended")

app = TalkServiceASGIApplication(service())
"""


@contextmanager
def slow_server(folder: Path, *flags: str) -> Iterator[Started]:
    """A server whose handler waits for the file `go`."""
    (folder / "slow.py").write_text(SLOW)
    with started("slow:app", "--port", "0", "--app-dir", str(folder), *flags) as server:
        yield server


def answering(url: str, sentence: str = "slow") -> Callable[[], Any]:
    """Make a call on a thread; gives what waits for its answer, and reads it."""
    pool = ThreadPoolExecutor(1)
    answer = pool.submit(httpx.post, url, json={"sentence": sentence}, timeout=60)
    pool.shutdown(wait=False)
    return lambda: answer.result().json()


DONE = {"sentence": "done"}
"""The answer of a call that was let finish."""


def connect_until_refused(port: int) -> None:
    """Connect again and again; the system says when nobody listens."""
    while True:
        # Who waited in a queue that is closed is reset.
        with suppress(ConnectionResetError):
            socket.create_connection(("127.0.0.1", port)).close()
