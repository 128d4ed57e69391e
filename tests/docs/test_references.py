"""What the documentation points to is there."""

import re
from pathlib import Path

import pytest

from tests.docs.snippets import PAGES
from tests.running.paths import ROOT

LINK = re.compile(r"\]\((?P<file>[^)#:]*)(?:#(?P<heading>[^)]*))?\)")
FILE = re.compile(r"`([\w./-]+/[\w./-]*)`")
"""A path from the root of this repository."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in LINK.finditer(page.read_text()):
        target = (page.parent / link["file"]).resolve() if link["file"] else page
        assert target.exists(), link[0]
        assert target.is_relative_to(ROOT), link[0]
        if link["heading"]:
            assert link["heading"] in _headings(target), link[0]


def test_the_files_that_the_architecture_names_are_there() -> None:
    named = FILE.findall((ROOT / "docs" / "architecture.md").read_text())
    assert len(named) > 10
    built = {".venv/", "target/"}
    missing = [name for name in named if name not in built and not (ROOT / name).exists()]
    assert missing == []


def _headings(page: Path) -> set[str]:
    """Return the names by which the headings of a page can be linked to."""
    lines = [
        line.lstrip("#").strip().lower() for line in page.read_text().splitlines() if line.startswith("#")
    ]
    return {re.sub(r"[^\w\- ]", "", line).replace(" ", "-") for line in lines}
