"""The package on the newest CPython of this machine beside the one that everything else runs on.

`python -m tests.running.newer_python` builds the package for it and runs the tests of the package and its
clients there. Where there is no newer one it says so, and that is all.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.running.paths import ROOT, TARGET

_ENVIRONMENT = TARGET / "newer"
_TESTED = ("tests/package", "tests/client")


def main() -> int:
    """Build and test; gives the exit status."""
    newest = max(_installed(), default=None)
    if newest is None or newest[0] <= sys.version_info[:2]:
        print("no CPython is here that is newer than", ".".join(map(str, sys.version_info[:2])))
        return 0
    python = _furnished(newest[1])
    print(
        "testing on",
        subprocess.run([python, "-VV"], capture_output=True, text=True, check=True).stdout,
        end="",
    )
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "-q", *_TESTED]
    return subprocess.run(command, cwd=ROOT, env=_paths(), check=False).returncode


def _installed() -> Iterator[tuple[tuple[int, int], Path]]:
    """Every CPython, with its version: those on the path, and those that pyenv keeps."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for folder in [*folders, *pyenv.glob("versions/*/bin")]:
        for python in folder.glob("python3.*"):
            if re.fullmatch(r"python3\.\d+", python.name) and (version := _version(python)) is not None:
                yield version, python


def _version(python: Path) -> tuple[int, int] | None:
    """Its version, if it is a CPython that runs."""
    ask = "import sys; print(sys.implementation.name, *sys.version_info[:2])"
    told = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False).stdout.split()
    return (int(told[1]), int(told[2])) if told[:1] == ["cpython"] else None


def _furnished(newest: Path) -> Path:
    """A virtual environment of it, with the package and what the tests need."""
    python = _ENVIRONMENT / "bin" / "python"
    if not python.exists() or _version(python) != _version(newest):
        shutil.rmtree(_ENVIRONMENT, ignore_errors=True)
        subprocess.run([newest, "-m", "venv", _ENVIRONMENT], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for name in ("build", "test", "lint"):
        subprocess.run([*pip, "-r", str(ROOT / "requirements" / f"{name}.txt")], check=True)
    environment = {**os.environ, "VIRTUAL_ENV": str(_ENVIRONMENT), "PYO3_PYTHON": str(python)}
    maturin = [str(_ENVIRONMENT / "bin" / "maturin"), "develop", "--quiet"]
    subprocess.run(maturin, cwd=ROOT, env=environment, check=True)
    return python


def _paths() -> dict[str, str]:
    paths = (ROOT / "python", ROOT, TARGET / "stubs")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": f"{_ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }


if __name__ == "__main__":
    sys.exit(main())
