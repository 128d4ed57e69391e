"""Settings that make no sense, said in one sentence: which it is, what came, and what it must be."""

from __future__ import annotations

import math
from typing import Any


def described(given: Any) -> str:
    """A value in words: short ones as they are, others by their class."""
    if given is None or isinstance(given, (bool, int, float, str, bytes)):
        text = repr(given)
        return text if len(text) <= 60 else f"{text[:60]}..."
    return f"the class {given.__name__}" if isinstance(given, type) else f"a {type(given).__name__}"


def whole_number(
    name: str, given: Any, *, least: int, most: int | None = None, optional: bool = False
) -> None:
    """Raise `TypeError` or `ValueError` unless it is one; `None` is, where it is optional."""
    if given is None and optional:
        return
    is_number = isinstance(given, int) and not isinstance(given, bool)
    if is_number and least <= given and (most is None or given <= most):
        return
    wanted = f"{least} or more" if most is None else f"{least} to {most}"
    raise (ValueError if is_number else TypeError)(
        f"{name} is {described(given)}: it must be a whole number, {wanted}{_or_none(optional)}"
    )


def seconds(name: str, given: Any, *, optional: bool = False) -> None:
    """Raise `TypeError` or `ValueError` unless it is a time in seconds; `None` is, where it is optional."""
    if given is None and optional:
        return
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
    if is_number and 0 <= given < math.inf:
        return
    raise (ValueError if is_number else TypeError)(
        f"{name} is {described(given)}: it must be a time in seconds, 0 or more{_or_none(optional)}"
    )


def _or_none(optional: bool) -> str:
    return ", or None for no limit" if optional else ""
