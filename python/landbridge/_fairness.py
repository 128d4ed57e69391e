"""How long one stream may keep an event loop to itself."""

from __future__ import annotations

IN_A_ROW = 32
"""Messages of one stream after which others get a turn, also where neither side ever has to wait."""
