"""What the tests of the package share: our stubs, and servers in this process."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from landbridge.serving import ServerSync

from tests.running.paths import ROOT

Serve = Callable[..., int]
"""See `serve`."""


@pytest.fixture
def run_python(own_stubs: str) -> Callable[[str], str]:
    """Run a program in an interpreter of its own, with warnings as errors; gives what it prints."""

    def run(program: str) -> str:
        path = ":".join((str(ROOT / "python"), str(ROOT), own_stubs))
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-c", program],
            env={"PYTHONPATH": path, "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


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
def channel() -> Iterator[Callable[[int], grpc.Channel]]:
    """Open gRPC channels that are closed with the test."""
    with ExitStack() as channels:
        yield lambda port: channels.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
