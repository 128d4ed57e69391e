"""What a request of somebody else's server asks for, and which method that is."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from landbridge._operations.operation import Operation

URL_CHARACTERS = "!$%&'()*+,/:;=?@[]~"
"""What may stand in a URL beside letters, digits, `-`, `.` and `_` (RFC 3986). Some servers let more pass."""


def target(path: str, query: bytes) -> str:
    """What a request asks for, as it stands in a URL; the path does already."""
    return f"{path}?{quote(query, safe=URL_CHARACTERS)}" if query else path


def mounted(operations: dict[str, Operation], root: str, path: str) -> Operation | None:
    """The method at a path, in an application that may be mounted at `root`.

    Servers and frameworks differ in whether the path begins with that. And a part of `root` may be the
    application's own: what is mounted at `/api` and then at `/package.Service` has both in it.
    """
    found = operations.get(path)
    if found is not None or not root:
        return found
    prefixes = [root[:end] for end in range(len(root)) if root[end] == "/"] + [root]
    for whole in (path, root + path):
        for prefix in prefixes:
            if whole.startswith(prefix) and (found := operations.get(whole.removeprefix(prefix))) is not None:
                return found
    return None
