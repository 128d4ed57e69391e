"""What the tests of clients share: servers in this process, and that nothing is left behind."""

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from landbridge.serving import ServerSync

from tests.client.echo import Echo
from tests.running.threads import named

Serve = Callable[..., int]
"""See `serve`."""


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
    while left := [*(set(threading.enumerate()) - before), *named("landbridge-calls")]:
        gc.collect()
        assert time.monotonic() < deadline, f"left running: {left}"
        time.sleep(0.002)


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
