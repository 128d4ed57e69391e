"""The binary is optimized by the profile of the compiler that builds it; any other builds without one."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.running.paths import ROOT


@pytest.fixture
def pgo(tmp_path: Path) -> Path:
    """The scripts in a folder whose name has a space, and no profile."""
    folder = tmp_path / "a checkout" / "pgo"
    folder.mkdir(parents=True)
    for script in ("cargo", "profile"):
        shutil.copy(ROOT / "pgo" / script, folder)
    return folder


def _build(pgo: Path, release: str, **environment: str) -> tuple[list[str], str]:
    """What a compiler of that version is asked for by `cargo build`, and what is said beside it."""
    rustc, cargo = pgo.parent / "rustc", pgo.parent / "cargo"
    rustc.write_text(f"#!/bin/sh\nprintf 'host: some-host\nrelease: {release}\nLLVM version: 22.1.2\n'\n")
    cargo.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    for program in (rustc, cargo):
        program.chmod(0o755)
    ran = subprocess.run(
        [pgo / "cargo", "build"],
        env={"PATH": f"{pgo.parent}:/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.splitlines(), ran.stderr


def test_the_profile_of_the_compiler_at_hand_is_used(pgo: Path) -> None:
    profile = pgo / "rustc-1.2.3-some-host.profdata"
    profile.touch()
    asked, said = _build(pgo, "1.2.3")
    assert asked == ["--config", f"build.rustflags=['-Cprofile-use={profile}']", "build"]
    assert said == ""


def test_another_compiler_builds_without_a_profile_and_says_so(pgo: Path) -> None:
    (pgo / "rustc-1.2.3-some-host.profdata").touch()
    asked, said = _build(pgo, "1.2.4")
    assert asked == ["build"]
    assert "there is no rustc-1.2.4-some-host.profdata" in said


def test_flags_of_the_user_are_taken_instead(pgo: Path) -> None:
    (pgo / "rustc-1.2.3-some-host.profdata").touch()
    asked, said = _build(pgo, "1.2.3", RUSTFLAGS="-Copt-level=1")
    assert asked == ["build"]
    assert "RUSTFLAGS are set" in said
