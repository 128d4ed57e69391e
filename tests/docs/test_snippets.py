"""Every command and every configuration in the documentation works as shown."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.docs.console import steps
from tests.docs.envoy_parts import whole_file
from tests.docs.snippets import PAGES, Snippet, snippets
from tests.docs.workshop import Workshop
from tests.running.paths import ROOT

SNIPPETS: Sequence[Snippet] = tuple(snippets())
CONFIGURATIONS = [snippet for snippet in SNIPPETS if snippet.language == "yaml"]


_SLOW = re.compile(r"Executing <.* took [\d.]+ seconds$")


def _pages_with_commands() -> Sequence[Path]:
    return [page for page in PAGES if any(s.page == page and s.language == "console" for s in SNIPPETS)]


def _pages_with_python() -> Sequence[Path]:
    return [page for page in PAGES if any(s.page == page and s.language == "python" for s in SNIPPETS)]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=str)
def test_a_snippet_is_of_a_kind_that_is_run_or_a_picture(snippet: Snippet) -> None:
    assert snippet.language in {"console", "python", "yaml", "text"}


@pytest.mark.parametrize("snippet", CONFIGURATIONS, ids=str)
def test_a_configuration_is_accepted_by_the_bridge(snippet: Snippet, shop: Workshop) -> None:
    done = shop.validate(whole_file(snippet.text, shop.guide))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", _pages_with_python(), ids=lambda page: page.name)
def test_the_code_of_a_page_runs(page: Path, own_stubs: str) -> None:
    program = "\n".join(s.text for s in SNIPPETS if s.page == page and s.language == "python")
    path = os.pathsep.join((str(ROOT / "python"), own_stubs))
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        env={"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # The event loop's debug mode also tells of a machine that is busy.
    assert [line for line in done.stderr.splitlines() if not _SLOW.match(line)] == []


@pytest.mark.parametrize("page", _pages_with_commands(), ids=lambda page: page.name)
def test_the_commands_of_a_page_say_what_it_shows(page: Path, shop: Workshop) -> None:
    with shop.bridge() as running:
        for snippet in SNIPPETS:
            if snippet.page == page and snippet.language == "console":
                running.follow(steps(snippet.text))
