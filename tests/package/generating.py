"""`landbridge generate`, as its users run it, and what they check its modules with."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import google
import typing_extensions

from tests.running.paths import ROOT

PROTOS = Path(__file__).with_name("protos")

HARD = ("hard-names/x.y-z.proto", "hard-names/class/words.proto", "unpackaged.proto")
"""Names that Python has a use for, or no way to say."""

SHAPES = ("shapes/kinds.proto", "shapes/legacy.proto")
"""What messages can be made of."""

EDITIONS = ("shapes/edition2023.proto", "shapes/edition2024.proto")

BIN = Path(sys.executable).parent


def generate(
    *arguments: str | Path, env: Mapping[str, str] | None = None, cwd: Path = PROTOS
) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [BIN / "landbridge", "generate", *arguments],
        cwd=cwd,
        env=None if env is None else {**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def generated(out: Path, *arguments: str | Path) -> Path:
    """Run the command, which has to succeed; gives the folder that it wrote to."""
    done = generate("--out", out, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return out


def bare_python(folder: Path) -> tuple[list[str], dict[str, str]]:
    """A Python with landbridge, what landbridge depends on, and nothing else: its command and environment."""
    packages = folder / "packages"
    packages.mkdir()
    (packages / "google").symlink_to(next(iter(google.__path__)))
    (packages / "typing_extensions.py").symlink_to(typing_extensions.__file__)
    (packages / "landbridge").symlink_to(ROOT / "python" / "landbridge")
    environment = {"PYTHONPATH": str(packages), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    return [sys.executable, "-S", "-X", "dev", "-W", "error"], environment


def checked(folder: Path, *command: str | Path) -> str:
    """Run a checker over a folder; it has to find nothing. Gives what it says."""
    done = _checker(folder, command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def mypy(folder: Path, *files: str) -> str:
    """Mypy's strictest over files, which has to find nothing."""
    return checked(folder, *_mypy(folder), *files)


def lines_that_mypy_refuses(folder: Path, file: str) -> Sequence[int]:
    """The lines of a file that mypy has something against."""
    done = _checker(folder, [*_mypy(folder), file])
    found = re.findall(rf"^{re.escape(file)}:(\d+): error", done.stdout, re.MULTILINE)
    return sorted({int(line) for line in found})


def _mypy(folder: Path) -> list[str | Path]:
    cache = folder.with_name(folder.name + "-mypy")
    return [BIN / "mypy", "--strict", "--no-incremental", "--explicit-package-bases", "--cache-dir", cache]


def _checker(folder: Path, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(BIN), os.environ["PATH"]))
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "MYPYPATH": f"{folder}:{ROOT / 'python'}", "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def modules_in(folder: Path, ending: str = ".py") -> Iterator[str]:
    """The files of generated modules, relative to their folder."""
    for file in sorted(folder.rglob(f"*{ending}")):
        yield str(file.relative_to(folder))
