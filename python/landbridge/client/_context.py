"""A call, as a client's interceptors see it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from landbridge._headers import Headers
from landbridge.request import RequestContext

if TYPE_CHECKING:
    from landbridge._headers import Lines
    from landbridge.client._configuration import Configuration
    from landbridge.client._outbound import OutboundCall
    from landbridge.method import MethodInfo


class CallContext(RequestContext[Any, Any]):
    """The context of a call that is made here. Request headers can be changed until it is sent."""

    __slots__ = ("_facts", "conversation", "use_get")

    def __init__(
        self,
        configuration: Configuration,
        method: MethodInfo[Any, Any],
        headers: Lines | None,
        timeout_ms: float | None,
        use_get: bool = False,
    ) -> None:
        facts = _Facts(configuration, timeout_ms, "GET" if use_get else "POST")
        self._begin(method, facts, None, Headers._received(headers or []))
        self._facts = facts
        self.use_get = use_get
        self.conversation: Any = None
        """Of a stream: what makes the call."""

    def lines(self) -> Lines | None:
        """The headers to be sent."""
        return self.request_headers._lines() or None

    def begin(self, call: OutboundCall) -> None:
        """Take down that this is how the call is made, for now: an interceptor may make it again."""
        self._facts.call = call

    def take(self, call: OutboundCall) -> None:
        """Take down what has come of the response."""
        head = call.head()
        if head is not None:
            self._response_headers = Headers._received(head[1])
        trailers = call.trailers()
        if trailers is not None:
            self._response_trailers = Headers._received(trailers)


class _Facts:
    """What is known of the call besides its messages."""

    __slots__ = (
        "_end",
        "call",
        "client_address",
        "codec",
        "http_method",
        "protocol",
        "server_address",
    )

    def __init__(self, configuration: Configuration, timeout_ms: float | None, http_method: str) -> None:
        style = configuration.style()
        self.protocol: str = style["protocol"]
        self.codec: str = style["codec"]
        self.http_method = http_method
        self.server_address: str | None = configuration.address[0]
        self.client_address: str | None = None
        self.call: OutboundCall | None = None
        self._end = None if timeout_ms is None else time.monotonic() + timeout_ms / 1000

    def metadata(self) -> Lines:
        return []

    def timeout_ms(self) -> float | None:
        return None if self._end is None else (self._end - time.monotonic()) * 1000

    @property
    def is_cancelled(self) -> bool:
        call = self.call
        if call is not None and (call.is_cancelled or call.is_late):
            return True
        left = self.timeout_ms()
        # A call that failed before anything came of it may be made again, and then its time counts.
        was_answered = call is not None and call.is_over and call.head() is not None
        return left is not None and left <= 0 and not was_answered

    def peer_certificates(self) -> tuple[list[bytes], Lines] | None:
        return None

    def set_compression(self, name: str, /) -> bool:  # noqa: ARG002
        """The client decides it, not the call."""
        return False
