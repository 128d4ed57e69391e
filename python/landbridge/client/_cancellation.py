"""How threads give up each other's calls."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType
    from typing import Self

    from landbridge.client._outbound import OutboundCall

_current: ContextVar[Cancellation | None] = ContextVar("landbridge_cancellation", default=None)


class Cancellation:
    """Gives up the blocking calls that are made inside of its `with` block. Any thread may do so.

    ```
    with Cancellation() as cancellation:
        watch(cancellation.cancel)
        response = client.say(request)
    ```

    A call that is given up, and every later one of the block, raises `ConnectError` with `CANCELED`. Blocks
    may stand in each other. Calls of asynchronous clients are given up by cancelling their task.
    """

    __slots__ = ("_calls", "_changing", "_is_cancelled", "_outer", "_token")

    def __init__(self) -> None:
        self._calls: WeakSet[OutboundCall] = WeakSet()
        self._changing = threading.Lock()
        self._is_cancelled = False
        self._outer: Cancellation | None = None
        self._token: Token[Cancellation | None] | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._is_cancelled

    def cancel(self) -> None:
        """Give up all calls of the block that are not over, and those to come. Does not wait."""
        with self._changing:
            self._is_cancelled = True
            calls = list(self._calls)
        for call in calls:
            call.cancel()

    def __enter__(self) -> Self:
        self._outer = _current.get()
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token, self._token = self._token, None
        if token is not None:
            _current.reset(token)

    def _cover(self, call: OutboundCall) -> None:
        with self._changing:
            self._calls.add(call)
            is_late = self._is_cancelled
        if is_late:
            call.cancel()


def may_be_given_up() -> bool:
    """Whether calls are made in such a block here."""
    return _current.get() is not None


def covered(call: OutboundCall) -> None:
    """Have the call given up with the blocks that it is made in."""
    cancellation = _current.get()
    while cancellation is not None:
        cancellation._cover(call)
        cancellation = cancellation._outer
