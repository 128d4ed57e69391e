"""What the tests of clients share: servers in this process, and that nothing is left behind."""

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from landbridge.serving import ServerSync

from tests.client.echo import Echo

Serve = Callable[..., int]
"""See `serve`."""

_TASKS = Path("/proc/self/task")


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test leaves a thread: not one of Python's, nor the one that makes calls."""
    before = set(threading.enumerate())
    failures = request.session.testsfailed
    yield
    if request.session.testsfailed > failures:
        # What has failed is shown, and held, with all that it held.
        return
    deadline = time.monotonic() + 10
    while left := [*(set(threading.enumerate()) - before), *_call_threads()]:
        gc.collect()
        assert time.monotonic() < deadline, f"left running: {left}"
        time.sleep(0.002)


def _call_threads() -> list[str]:
    """The threads of this process that make calls; Python does not know of them."""
    names = []
    for task in _TASKS.iterdir() if _TASKS.exists() else ():
        try:
            name = (task / "comm").read_text().strip()
        except OSError:
            continue
        # The system keeps fifteen characters of a name.
        if name == "landbridge-calls"[:15]:
            names.append(name)
    return names


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve applications in this process until the test ends; gives the port."""
    with ExitStack() as servers:

        def start(*applications: Any, **settings: Any) -> int:
            server = ServerSync(*applications, port=0, **settings)
            servers.enter_context(server)
            return server.port

        yield start


@pytest.fixture
def echo() -> Echo:
    """A service of all kinds of methods, which remembers what it has seen."""
    return Echo()


@pytest.fixture
def url(serve: Serve, echo: Echo) -> str:
    """Where `echo` is served."""
    return f"http://127.0.0.1:{serve(echo.application)}"


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else can have."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
