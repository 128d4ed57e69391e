"""Settings that make no sense, said in one sentence: which it is, what came, and what it must be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    from pathlib import Path

CODEC = (("name", "encode", "decode"), "proto_json_codec()")
"""For `having` and `made_of`: what every codec has, and an example of one."""

COMPRESSION = (("name", "compress", "decompress"), "GzipCompression()")
"""The same of a compression."""


def pem(given: bytes | str | os.PathLike[str]) -> bytes | Path:
    """PEM, as text or as the path of its file, as the core takes it.

    Text is never taken for a path: that would stand in errors, where a private key must not.
    """
    if isinstance(given, bytes):
        return given
    if isinstance(given, str) and given.lstrip().startswith("-----BEGIN"):
        return given.encode()
    from pathlib import Path  # noqa: PLC0415

    return Path(given)


def described(given: Any) -> str:
    """A value in words: short ones as they are, others by their class."""
    if given is None or isinstance(given, (bool, int, float, str, bytes)):
        text = repr(given)
        return text if len(text) <= 60 else f"{text[:60]}..."
    return f"the class {given.__name__}" if isinstance(given, type) else f"a {type(given).__name__}"


def whole_number(
    name: str,
    given: Any,
    *,
    least: int,
    most: int | None = None,
    optional: bool = False,
    unlimited: int | None = None,
) -> None:
    """Raise `TypeError` or `ValueError` unless it is one; `None` is, where it is optional.

    `unlimited` is a number out of bounds that stands for no limit, and is good.
    """
    if given is None and optional:
        return
    is_number = isinstance(given, int) and not isinstance(given, bool)
    if is_number and (given == unlimited or (least <= given and (most is None or given <= most))):
        return
    wanted = f"{least} or more" if most is None else f"{least} to {most}"
    instead = _or_none(optional) if unlimited is None else f", or {unlimited} for no limit"
    raise (ValueError if is_number else TypeError)(
        f"{name} is {described(given)}: it must be a whole number, {wanted}{instead}"
    )


def seconds(name: str, given: Any, *, optional: bool = False, may_be_zero: bool = False) -> None:
    """Raise `TypeError` or `ValueError` unless it is a time in seconds; `None` is, where it is optional."""
    if given is None and optional:
        return
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
    if is_number and (0 < given < math.inf or (may_be_zero and given == 0)):
        return
    wanted = "0 or more" if may_be_zero else "more than 0"
    raise (ValueError if is_number else TypeError)(
        f"{name} is {described(given)}: it must be a time in seconds, {wanted}{_or_none(optional)}"
    )


def instance(name: str, given: Any, wanted: type[Any], *, optional: bool = False) -> None:
    """Raise `TypeError` unless it is an instance of the class; `None` is good, where it is optional."""
    if not isinstance(given, wanted) and not (given is None and optional):
        # As users import it: private modules, and what is built in, they do not name.
        modules = [each for each in wanted.__module__.split(".") if each[0] != "_" and each != "builtins"]
        place = ".".join((*modules, wanted.__qualname__))
        raise TypeError(f"{name} is {described(given)}: it must be a {place}{_or_none(optional, '')}")


def having(name: str, given: Any, methods: tuple[str, ...], example: str) -> None:
    """Raise `TypeError` unless it is an object with all of these methods."""
    if isinstance(given, type) or not all(hasattr(given, method) for method in methods):
        wanted = f"an object with {', '.join(methods)}, as {example}"
        raise TypeError(f"{name} is {described(given)}: it must be {wanted}")


def made_of(name: str, given: Any, methods: tuple[str, ...], example: str) -> list[Any]:
    """What a list holds. Raises `TypeError` unless each is an object with all of these methods."""
    if isinstance(given, str) or not hasattr(given, "__iter__"):
        raise TypeError(f"{name} is {described(given)}: it must be a list, as [{example}]")
    items = list(given)
    for index, item in enumerate(items):
        having(f"{name}[{index}]", item, methods, example)
    return items


def _or_none(optional: bool, meaning: str = " for no limit") -> str:
    return f", or None{meaning}" if optional else ""
