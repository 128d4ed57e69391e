"""Applications by their names."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import Any


class LoadError(Exception):
    """What could not be loaded, and why."""


def load(name: str, app_dir: str) -> Any:
    """The object that `module:attribute` names.

    Raises `LoadError` with one sentence that says what is wrong; the traceback of a failing import is its
    cause.
    """
    module_name, separator, attribute = name.partition(":")
    if not separator or not module_name or not attribute:
        raise LoadError(f"{name!r} names no application: write module:attribute")
    folder = str(Path(app_dir).resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise LoadError(f"{module_name} does not import: {error}{place(error)}") from error
        message = f"there is no module {module_name} in {folder} or among the installed packages"
        raise LoadError(message) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        message = f"{module_name} does not import: {type(error).__name__}: {error}{place(error)}"
        raise LoadError(message) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise LoadError(f"the module {module_name} has no {attribute}")
        found = getattr(found, part)
    return found


def place(error: BaseException) -> str:
    """Where it was raised, as far as that is known."""
    if isinstance(error, SyntaxError):
        # It names its place itself.
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
