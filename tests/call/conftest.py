"""The program, and the servers that it calls."""

from collections.abc import Iterator

import pytest

from tests.call.program import PROGRAMS, Program
from tests.peers.conftest import bridge, talk_descriptors, talk_server
from tests.running.python_server import running_python_server

__all__ = ["bridge", "landbridge", "program", "python_server", "talk_descriptors", "talk_server"]


@pytest.fixture
def landbridge() -> Program:
    """The binary."""
    return PROGRAMS["binary"]


@pytest.fixture(params=[*PROGRAMS])
def program(request: pytest.FixtureRequest) -> Program:
    """The binary, and the command of the Python package."""
    return PROGRAMS[request.param]


@pytest.fixture(scope="session")
def python_server(own_stubs: str) -> Iterator[int]:
    """The talk service in Python, which has no reflection; yields its port."""
    assert own_stubs
    with running_python_server("examples.talk_async:application") as port:
        yield port
