"""A console snippet: commands after `$ `, each with the output that it shows."""

import doctest
import re
from collections.abc import Sequence
from dataclasses import dataclass

PROMPT = "$ "


@dataclass(frozen=True)
class Step:
    """One command, and what a reader is told to expect."""

    command: str
    shown: str
    """May have `...` for what varies; empty where nothing is shown."""

    def ends_well(self) -> bool:
        """Whether the command is to succeed; one that shows a refusal is there to fail."""
        return re.match(r"(landbridge \w+|not_found): ", self.shown) is None

    def matches(self, said: str) -> bool:
        """Whether the output is the one that is shown."""
        checker = doctest.OutputChecker()
        return not self.shown or checker.check_output(
            self.shown.strip() + "\n", said.strip() + "\n", doctest.ELLIPSIS
        )


def steps(text: str) -> Sequence[Step]:
    """Cut a console snippet into its steps."""
    cut: list[Step] = []
    for line in text.splitlines(keepends=True):
        if line.startswith(PROMPT):
            cut.append(Step(line.removeprefix(PROMPT).strip(), ""))
        elif cut:
            cut[-1] = Step(cut[-1].command, cut[-1].shown + line)
        else:
            raise ValueError(f"output before the first command: {line!r}")
    return cut
