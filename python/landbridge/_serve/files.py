"""Files that a server in development is started anew for."""

from __future__ import annotations

import os
from pathlib import Path


class Files:
    """The Python files below a folder, by their times."""

    def __init__(self, top: str) -> None:
        self._top = top
        self._seen = self._times()

    def have_changed(self) -> bool:
        """Whether any of them has changed since the last look."""
        before, self._seen = self._seen, self._times()
        return before != self._seen

    def _times(self) -> dict[Path, int]:
        times = {}
        for folder, folders, files in os.walk(self._top):
            folders[:] = [
                name for name in folders if not name.startswith((".", "__pycache__")) and name != "target"
            ]
            for name in files:
                if name.endswith(".py"):
                    path = Path(folder, name)
                    try:
                        times[path] = path.stat().st_mtime_ns
                    except FileNotFoundError:
                        continue
        return times
