"""The workshop that the tests of the documentation ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.workshop import Workshop, furnished
from tests.peers.conftest import talk_server
from tests.running.python_server import running_python_server

__all__ = ["shop", "talk_server"]


@pytest.fixture(scope="session")
def python_server(own_stubs: str) -> Iterator[int]:
    """The demo's server in Python; yields its port."""
    assert own_stubs
    with running_python_server("examples.talk_async:application", 0, "--health", "--reflection") as port:
        yield port


@pytest.fixture
def shop(tmp_path: Path, talk_server: int, python_server: int) -> Workshop:
    """A workshop beside the demo's servers, in which no bridge runs yet."""
    return furnished(tmp_path, talk_server, python_server)
