"""Applications by their names."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path, PurePath
from typing import Any


class LoadError(Exception):
    """What could not be loaded, and why."""


def parts(name: str) -> tuple[str, str]:
    """The module and the attribute that `module:attribute` names. Raises `LoadError` for another text."""
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise LoadError(f"{name!r} names no application: write module:attribute")
    return module, attribute


def load(name: str, app_dir: str) -> Any:
    """The object that `module:attribute` names.

    Raises `LoadError` with one sentence that says what is wrong; the traceback of a failing import is its
    cause.
    """
    module_name, attribute = parts(name)
    folder = str(Path(app_dir).resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise LoadError(f"{module_name} does not import: {error}{place(error)}") from error
        message = f"there is no module {module_name} in {folder} or among the installed packages"
        raise LoadError(message + _advice(PurePath(module_name), attribute)) from None
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


def _advice(module: PurePath, attribute: str) -> str:
    """What to write where a file was named, and not a module."""
    if module.suffix != ".py":
        return ""
    where = f" and --app-dir {module.parent}" if module.parent.name else ""
    return f": a module is named without .py; write {module.stem}:{attribute}{where}"


def place(error: BaseException) -> str:
    """Where it was raised, as far as that is known."""
    if isinstance(error, SyntaxError):
        # It names its place itself.
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
