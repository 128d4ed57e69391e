"""Limits and times of a server."""

from __future__ import annotations

from dataclasses import dataclass, fields

from landbridge._settings import seconds, whole_number

__all__ = ["Limits"]

_MAY_BE_ZERO = frozenset({"max_waiting_calls", "max_connection_age_grace"})
"""With these nobody waits; anything else would end before it began."""


@dataclass(kw_only=True, frozen=True, slots=True)
class Limits:
    """What bounds a server. Times are in seconds, sizes in bytes; `None` means without a limit.

    Raises `TypeError` or `ValueError` where one makes no sense: all are more than 0, save `max_waiting_calls`
    and `max_connection_age_grace`, which may be 0.
    """

    max_concurrent_calls: int = 10_000
    """Calls in flight at once; one more fails with `RESOURCE_EXHAUSTED`."""

    max_waiting_calls: int = 1_000
    """Calls that may wait for a handler thread; one more fails with `RESOURCE_EXHAUSTED`."""

    max_connections: int = 16_384
    """Connections open at once; more are closed at once."""

    max_streams_per_connection: int = 1_024
    """Calls in flight at once on one HTTP/2 connection."""

    max_header_bytes: int = 64 << 10
    """All headers of one request together."""

    header_timeout: float = 15.0
    """The time that a client has for the headers of a request, and for its first bytes."""

    receive_timeout: float | None = 60.0
    """How long a client may be silent within a request that is one message; then the call fails with
    `DEADLINE_EXCEEDED`. A request that is a stream, or for the application behind, may be silent for as
    long as it likes."""

    handshake_timeout: float = 10.0
    """The time that a client has for the TLS handshake."""

    idle_timeout: float | None = 300.0
    """How long a connection without calls is kept."""

    keepalive_interval: float | None = None
    """A ping goes to an HTTP/2 client that was silent for this long."""

    keepalive_timeout: float = 20.0
    """How long the answer to a ping may take before the connection counts as dead."""

    max_connection_age: float | None = None
    """The age at which a connection is asked to go, so that clients spread anew."""

    max_connection_age_grace: float = 30.0
    """What calls in flight on such a connection still get."""

    max_requests_per_connection: int | None = None
    """Requests after which a connection is asked to go."""

    early_reset_time: float = 0.01
    """A call over HTTP/2 that its client cancels within this time counts as an early reset; one that was in
    progress for longer never does."""

    max_early_resets: int = 500
    """Early resets that a client is forgiven at once; one more closes its connection, if more than half of
    its calls there were reset early (rapid reset, CVE-2023-44487)."""

    early_resets_per_second: int = 100
    """How many early resets no longer count after each second."""

    max_pending_resets: int = 256
    """Calls on one HTTP/2 connection that their client cancelled before they were looked at; one more closes
    it."""

    max_error_resets: int = 1_024
    """Calls on one HTTP/2 connection that were reset because their client broke HTTP; one more closes it."""

    def __post_init__(self) -> None:
        """Raise `TypeError` or `ValueError` where one of them makes no sense."""
        for field in fields(self):
            value, kind = getattr(self, field.name), str(field.type)
            optional = kind.endswith("None")
            if kind.startswith("int"):
                least = 0 if field.name in _MAY_BE_ZERO else 1
                whole_number(field.name, value, least=least, most=(1 << 32) - 1, optional=optional)
            else:
                seconds(field.name, value, optional=optional, may_be_zero=field.name in _MAY_BE_ZERO)
