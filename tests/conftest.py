"""What the tests of several folders share."""

import signal
import sys
from pathlib import Path

import pytest

from tests.running.paths import OWN_STUBS
from tests.running.stubs import generate_own_stubs

# What a shell starts in the background ignores interrupts, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def own_stubs() -> str:
    """The folder of our stubs, made by the installed plugin."""
    generate_own_stubs(Path(sys.executable).parent / "protoc-gen-connect-python")
    return str(OWN_STUBS)
