"""How calls reach event loops: each loop watches one descriptor for all of its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from landbridge._core import Events

if TYPE_CHECKING:
    import asyncio

_ATTRIBUTE = "_landbridge_events"
# Of loops that take no attributes.
_others: WeakKeyDictionary[asyncio.AbstractEventLoop, Events] = WeakKeyDictionary()


def events_of(loop: asyncio.AbstractEventLoop) -> Events:
    """The events of a loop, which live as long as it does."""
    events: Events | None = getattr(loop, _ATTRIBUTE, None)
    return _started(loop) if events is None else events


def _started(loop: asyncio.AbstractEventLoop) -> Events:
    events = _others.get(loop)
    if events is None:
        events = Events()
        loop.add_reader(events.descriptor, events.poll)
        try:
            setattr(loop, _ATTRIBUTE, events)
        except AttributeError:
            _others[loop] = events
    return events
