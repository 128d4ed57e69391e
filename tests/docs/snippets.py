"""The fenced snippets of the documentation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.running.paths import ROOT

PAGES: Sequence[Path] = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

FENCE = "```"


@dataclass(frozen=True)
class Snippet:
    """One fenced block."""

    page: Path
    line: int
    """The line of its first fence."""
    language: str
    text: str

    def __str__(self) -> str:
        """Return where it stands."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def snippets() -> Iterator[Snippet]:
    """Return every snippet of every page, in order."""
    for page in PAGES:
        yield from _snippets_of(page)


def _snippets_of(page: Path) -> Iterator[Snippet]:
    opened: tuple[int, str] | None = None
    body: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        if opened is None:
            if line.startswith(FENCE):
                opened, body = (number, line.removeprefix(FENCE).strip()), []
        elif line == FENCE:
            yield Snippet(page, opened[0], opened[1], "\n".join(body) + "\n")
            opened = None
        else:
            body.append(line)
    if opened is not None:
        raise ValueError(f"{page}:{opened[0]}: a fence that is never closed")
