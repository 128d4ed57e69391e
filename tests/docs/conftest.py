"""The workshop that the tests of the documentation ask for."""

from pathlib import Path

import pytest

from tests.docs.workshop import Workshop, furnished
from tests.peers.conftest import talk_server

__all__ = ["shop", "talk_server"]


@pytest.fixture
def shop(tmp_path: Path, talk_server: int) -> Workshop:
    """A workshop beside the demo's server, in which no bridge runs yet."""
    return furnished(tmp_path, talk_server)
