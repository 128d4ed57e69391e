"""What the tests of several folders share."""

import sys
from pathlib import Path

import pytest

from tests.running.paths import OWN_STUBS
from tests.running.stubs import generate_own_stubs


@pytest.fixture(scope="session")
def own_stubs() -> str:
    """The folder of our stubs, made by the installed plugin."""
    generate_own_stubs(Path(sys.executable).parent / "protoc-gen-connect-python")
    return str(OWN_STUBS)
