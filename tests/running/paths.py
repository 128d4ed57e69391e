"""Where things are in this repository."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
TARGET: Final = ROOT / "target"
"""All that is built or generated; nothing in it is kept under version control."""

STUBS: Final = TARGET / "stubs"
"""Python modules generated from `.proto` files."""

OWN_STUBS: Final = TARGET / "landbridge-stubs"
"""The same for services on landbridge: our plugin's modules have the names of Connect-Python's."""

RELEASE_BINARY: Final = TARGET / "release" / "landbridge"
"""What `make build` makes."""
