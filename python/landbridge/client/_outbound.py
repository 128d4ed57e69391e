"""What carries a call to a server: `_core.ClientCall`, or a call over somebody else's HTTP client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio

    from landbridge._core import Events
    from landbridge._headers import Lines


class OutboundCall(Protocol):
    """One call, without waiting. What fails it is raised as `ConnectError`."""

    def receive(self) -> Any:
        """The next message as bytes, `None` after the last, `PENDING` before it has come."""
        ...

    def answer(self) -> Any:
        """The one message of a response that is over."""
        ...

    def send(self, message: Any, /) -> bool:
        """Send a message, and say whether there is room for more. Raises `EOFError` where nobody takes it."""
        ...

    def close_send(self) -> None:
        """Say that no message follows."""
        ...

    def head(self) -> tuple[int, Lines] | None:
        """The HTTP status and the headers, once they have come."""
        ...

    def trailers(self) -> Lines | None:
        """The trailers, once the call is over."""
        ...

    def check(self) -> None:
        """Raise what has failed the call, if it has failed."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether the call is over."""
        ...

    @property
    def is_cancelled(self) -> bool:
        """Whether it was given up before it was over, or before everything that came of it was taken."""
        ...

    @property
    def is_late(self) -> bool:
        """Whether it has ended because its time was over, by the clock on this side."""
        ...

    @property
    def response_encoding(self) -> str | None:
        """The compression of the response, where the application does that itself."""
        ...

    def cancel(self) -> None:
        """Give the call up."""
        ...


class AsyncOutbound(OutboundCall, Protocol):
    """A call that an event loop waits for. Each future is set once there is something to see."""

    def make(self) -> None:
        """Make it, if it was only prepared, as one is whose messages are sent one by one."""
        ...

    def forget(self, future: asyncio.Future[None], /) -> None:
        """Nobody waits for this future any more."""
        ...

    def when_readable(self, future: asyncio.Future[None], /) -> None:
        """For `receive`."""
        ...

    def when_writable(self, future: asyncio.Future[None], /) -> None:
        """For room to send."""
        ...

    def when_head(self, future: asyncio.Future[None], /) -> None:
        """For `head`, or the end."""
        ...

    def when_ended(self, future: asyncio.Future[None], /) -> None:
        """For the end."""
        ...


class SyncOutbound(OutboundCall, Protocol):
    """A call that a thread waits for."""

    def receive_blocking(self) -> Any:
        """As `receive`."""
        ...

    def answer_blocking(self) -> Any:
        """As `answer`."""
        ...

    def wait_for_room_blocking(self) -> None:
        """For room to send."""
        ...

    def wait_for_head_blocking(self) -> None:
        """For `head`, or the end."""
        ...


class Starter(Protocol):
    """Starts calls of one method."""

    def start(
        self,
        events: Events | None,
        ended: asyncio.Future[None] | None,
        message: Any,
        headers: Lines | None,
        timeout_ms: float | None,
        get: bool,
        wait_for_ready: bool,
        /,
    ) -> Any:
        """Start one: with its only message, or without, where messages are sent one by one."""
        ...


class SyncStarter(Starter, Protocol):
    """Starts calls of one method for threads."""

    def prepare(
        self,
        message: Any,
        headers: Lines | None,
        timeout_ms: float | None,
        get: bool,
        wait_for_ready: bool,
        /,
    ) -> Any:
        """A call with its only message, which starts when `answer_blocking` waits for it."""
        ...
