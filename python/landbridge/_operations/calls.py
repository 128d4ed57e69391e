"""What carries a call: the native server's `_core.Call`, or `_core.Exchange` under ASGI and WSGI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from landbridge._headers import Lines

Failure = tuple[str, str, list[tuple[str, bytes]]]
"""Code, message, and details as type names and bytes."""


class CallFacts(Protocol):
    """What is known of a call besides its messages."""

    @property
    def http_method(self) -> str:
        """`POST` or `GET`."""
        ...

    @property
    def protocol(self) -> str:
        """`connect`, `grpc` or `grpc-web`."""
        ...

    @property
    def codec(self) -> str:
        """The codec's name."""
        ...

    @property
    def server_address(self) -> str | None:
        """The host and port that were asked for."""
        ...

    @property
    def client_address(self) -> str | None:
        """Where it comes from."""
        ...

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody waits for the answer."""
        ...

    def metadata(self) -> Lines:
        """The caller's headers."""
        ...

    def timeout_ms(self) -> float | None:
        """What is left to the deadline."""
        ...

    def peer_certificates(self) -> tuple[list[bytes], Lines] | None:
        """The caller's certificate chain, and the names in its first."""
        ...

    def set_compression(self, name: str, /) -> bool:
        """Choose the answer's compression. Says whether the caller takes it; otherwise nothing changes."""
        ...


class Call(CallFacts, Protocol):
    """A call, without waiting. Everything raises `ConnectError` where the caller is gone, save the end."""

    def receive(self) -> Any:
        """The next message as bytes, `None` after the last, `PENDING` before it has come."""
        ...

    def send_headers(self, headers: Lines | None, /) -> None:
        """Send the head now."""
        ...

    def send(self, message: bytes, headers: Lines | None = None, /) -> bool:
        """Send a message, and with the first one the head. Says whether there is room for more."""
        ...

    def finish(
        self, message: bytes | None = None, headers: Lines | None = None, trailers: Lines | None = None, /
    ) -> None:
        """End with success, after a last message where one is given."""
        ...

    def fail(self, error: Failure, headers: Lines | None = None, trailers: Lines | None = None, /) -> None:
        """End with an error."""
        ...


class AsyncWaits(Protocol):
    """How an event loop waits for a call."""

    def readable(self) -> Awaitable[None]:
        """Until `receive` has something."""
        ...

    def writable(self) -> Awaitable[None]:
        """Until there is room for more."""
        ...

    def turn(self) -> Awaitable[None]:
        """Until the other tasks that are ready have had a turn."""
        ...


class SyncCall(Call, Protocol):
    """A call for a thread, which waits by itself."""

    def receive_blocking(self) -> bytes | None:
        """The next message, `None` after the last."""
        ...
