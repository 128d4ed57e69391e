"""The binary is optimized by the profile of the compiler that builds it; any other builds without one."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.running.paths import ROOT


@pytest.fixture
def pgo(tmp_path: Path) -> Path:
    """The scripts, and no profile."""
    folder = tmp_path / "pgo"
    folder.mkdir()
    for script in ("flags", "profile"):
        shutil.copy(ROOT / "pgo" / script, folder)
    return folder


def _compiler(folder: Path, release: str) -> dict[str, str]:
    """The environment of a compiler of that version."""
    rustc = folder / "rustc"
    rustc.write_text(f"#!/bin/sh\nprintf 'host: some-host\\nrelease: {release}\\nLLVM version: 22.1.2\\n'\n")
    rustc.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def _flags(pgo: Path, environment: dict[str, str]) -> tuple[str, str]:
    ran = subprocess.run([pgo / "flags"], env=environment, capture_output=True, text=True, check=True)
    return ran.stdout, ran.stderr


def test_the_profile_of_the_compiler_at_hand_is_used(pgo: Path, tmp_path: Path) -> None:
    profile = pgo / "rustc-1.2.3-some-host.profdata"
    profile.touch()
    assert _flags(pgo, _compiler(tmp_path, "1.2.3")) == (f"-Cprofile-use={profile}\n", "")


def test_another_compiler_builds_without_a_profile_and_says_so(pgo: Path, tmp_path: Path) -> None:
    (pgo / "rustc-1.2.3-some-host.profdata").touch()
    flags, said = _flags(pgo, _compiler(tmp_path, "1.2.4"))
    assert flags == ""
    assert "rustc-1.2.4-some-host.profdata" in said
