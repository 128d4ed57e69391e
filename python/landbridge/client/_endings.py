"""How a call ends that its caller has given up."""

from __future__ import annotations

from landbridge.code import Code
from landbridge.errors import ConnectError

GIVEN_UP = "the call was cancelled by its caller"
"""What is said of it; the core says the same."""


def given_up() -> ConnectError:
    """What is raised to whoever still waits for it."""
    return ConnectError(Code.CANCELED, GIVEN_UP)
