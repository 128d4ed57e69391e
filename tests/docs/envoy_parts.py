"""Snippets that show a part of an Envoy file: put into the guide's file, where they say they belong.

A part starts with a comment such as `# In the cluster:`. One snippet may have several parts. A snippet
without such a comment is a whole file.
"""

import re
import textwrap
from dataclasses import dataclass
from typing import Literal

PART = re.compile(r"^# In the (?P<place>.+):$", re.MULTILINE)


@dataclass(frozen=True)
class Place:
    """Where in the guide's file a part goes: before, after or instead of some of its lines."""

    lines: str
    how: Literal["before", "after", "instead"]
    indent: int


PLACES = {
    "cluster": Place("    - name: service_0\n", "after", 6),
    "listener": Place("    - name: listener_0\n", "after", 6),
    "filter chain": Place("  clusters:\n", "before", 10),
    "HttpConnectionManager": Place("                stat_prefix: ingress_http\n", "after", 16),
    "virtual host": Place('                      domains: ["*"]\n', "after", 22),
    "http filters": Place("                  - name: envoy.filters.http.router\n", "before", 18),
    "routes": Place(
        '                        - match: { prefix: "/" }\n'
        "                          route: { cluster: service_0 }\n",
        "instead",
        24,
    ),
}


def whole_file(snippet: str, guide: str) -> str:
    """Return a file that Envoy could load: the snippet itself, or the guide's file with its parts in it."""
    before, *parts = PART.split(snippet)
    if not parts:
        return snippet
    if before.strip():
        raise ValueError(f"which part of the file is this: {before!r}")
    for place, part in zip(parts[::2], parts[1::2], strict=True):
        guide = _with_part(guide, PLACES[place], part)
    return guide


def _with_part(guide: str, place: Place, part: str) -> str:
    if guide.count(place.lines) != 1:
        raise ValueError(f"the guide's file does not have exactly one {place.lines!r}")
    part = textwrap.indent(part.strip("\n") + "\n", " " * place.indent)
    if place.how == "before":
        part += place.lines
    elif place.how == "after":
        part = place.lines + part
    return guide.replace(place.lines, part)
