"""What a handler knows of its call besides the message: `RequestContext` and `Headers`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from landbridge._headers import Headers
from landbridge._protocols import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from landbridge._operations.calls import CallFacts
    from landbridge.method import MethodInfo
    from landbridge.protocol import ProtocolType

__all__ = ["Headers", "Peer", "RequestContext"]

REQ = TypeVar("REQ")
RES = TypeVar("RES")


class Peer:
    """Who is at the other end of the connection."""

    __slots__ = ("_names", "address", "certificates")

    def __init__(
        self, address: str, certificates: tuple[bytes, ...] = (), names: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.address = address
        """`address:port`, or `unix:` and a path."""
        self.certificates = certificates
        """The verified certificate chain in DER, its own first; empty without a client certificate."""
        self._names = names

    @property
    def dns_names(self) -> tuple[str, ...]:
        """The DNS names in its certificate (subject alternative names)."""
        return tuple(name for kind, name in self._names if kind == "dns")

    @property
    def uris(self) -> tuple[str, ...]:
        """The URIs in its certificate, such as SPIFFE identities."""
        return tuple(name for kind, name in self._names if kind == "uri")

    @property
    def ip_addresses(self) -> tuple[str, ...]:
        """The IP addresses in its certificate."""
        return tuple(name for kind, name in self._names if kind == "ip")

    @property
    def email_addresses(self) -> tuple[str, ...]:
        """The email addresses in its certificate."""
        return tuple(name for kind, name in self._names if kind == "email")

    @property
    def common_name(self) -> str | None:
        """The common name of its certificate's subject; `None` where it has none.

        Its authority alone decides what may stand there. Where there are other names, prefer those.
        """
        return next((name for kind, name in self._names if kind == "common_name"), None)

    def __repr__(self) -> str:
        return f"Peer({self.address}, {[name for _, name in self._names]})"


class _Done:
    """Something awaitable that is done."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


_DONE = _Done()


class HeadSender(Protocol):
    """What can send the head of an answer before its first message."""

    def __call__(self, headers: list[tuple[str, str]], /) -> Awaitable[None] | None:
        """Send it; the awaitable, if any, is done when it has left."""


class RequestContext(Generic[REQ, RES]):
    """One call, as its handler and interceptors see it."""

    __slots__ = (
        "_call",
        "_done_callbacks",
        "_head_sender",
        "_method",
        "_request_headers",
        "_response_headers",
        "_response_trailers",
        "_send_compression",
    )

    def __init__(
        self,
        *,
        method: MethodInfo[REQ, RES],
        http_method: str,
        request_headers: Headers,
        timeout_ms: float | None = None,
        server_address: str | None = None,
        client_address: str | None = None,
    ) -> None:
        """Make a context by hand, as tests of handlers and interceptors do."""
        facts = _GivenFacts(http_method, timeout_ms, server_address, client_address)
        self._begin(method, facts, None, request_headers)

    def _begin(
        self,
        method: MethodInfo[REQ, RES],
        call: CallFacts,
        head_sender: HeadSender | None,
        request_headers: Headers | None,
    ) -> None:
        self._method = method
        self._call = call
        self._head_sender = head_sender
        self._request_headers = request_headers
        self._response_headers: Headers | None = None
        self._response_trailers: Headers | None = None
        self._send_compression: str | None = None
        self._done_callbacks: list[Callable[[], object]] | None = None

    @classmethod
    def _of(
        cls, method: MethodInfo[REQ, RES], call: CallFacts, head_sender: HeadSender | None
    ) -> RequestContext[REQ, RES]:
        ctx = cls.__new__(cls)
        ctx._begin(method, call, head_sender, None)
        return ctx

    @property
    def method(self) -> MethodInfo[REQ, RES]:
        """The method that is called."""
        return self._method

    @property
    def http_method(self) -> str:
        """`POST`, or `GET` for a Connect call without side effects that came that way."""
        return self._call.http_method

    @property
    def protocol(self) -> ProtocolType:
        """What the caller speaks."""
        return BY_NAME[self._call.protocol]

    @property
    def codec(self) -> str:
        """The name of the codec of the call's messages: `proto`, `json`, or one of the application's own."""
        return self._call.codec

    @property
    def request_headers(self) -> Headers:
        """The caller's metadata."""
        headers = self._request_headers
        if headers is None:
            headers = self._request_headers = Headers._received(self._call.metadata())
        return headers

    @property
    def response_headers(self) -> Headers:
        """What goes out with the head of the answer: with its first message, its end, or `send_headers()`."""
        headers = self._response_headers
        if headers is None:
            headers = self._response_headers = Headers()
        return headers

    @property
    def response_trailers(self) -> Headers:
        """What goes out with the end of the answer, after the last message or the error."""
        trailers = self._response_trailers
        if trailers is None:
            trailers = self._response_trailers = Headers()
        return trailers

    @property
    def timeout_ms(self) -> float | None:
        """Milliseconds that are left to the caller's deadline, negative after it; `None` without one."""
        return self._call.timeout_ms()

    @property
    def server_address(self) -> str | None:
        """The host and port that the caller asked for; the port of its scheme where it named none."""
        return self._call.server_address

    @property
    def client_address(self) -> str | None:
        """Where the call comes from, as `address:port`, with an IPv6 address in brackets."""
        return self._call.client_address

    @property
    def peer(self) -> Peer:
        """Who calls: the address, and what its client certificate says."""
        found = self._call.peer_certificates()
        address = self._call.client_address or ""
        if found is None:
            return Peer(address)
        certificates, names = found
        return Peer(address, tuple(certificates), tuple(names))

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody waits for the answer any more: the caller went away, or its deadline has passed.

        To a client's interceptors: whether the call was given up, or has run out of time. What was answered
        is never cancelled.
        """
        return self._call.is_cancelled

    def on_done(self, callback: Callable[[], object]) -> None:
        """Have `callback` called once when the call is over: answered, failed or cancelled.

        Callbacks run in the order they were added, where the handler runs. An exception in one is logged.
        """
        if self._done_callbacks is None:
            self._done_callbacks = []
        self._done_callbacks.append(callback)

    @property
    def send_compression(self) -> str | None:
        """What was asked of the answer's compression; `None` while the caller's wish decides."""
        return self._send_compression

    @send_compression.setter
    def send_compression(self, name: str | None) -> None:
        """Ask for a compression by name, or for none at all by `"identity"`, before the head is sent.

        A compression that the caller does not take is passed over, and so is `None`. Raises `ValueError` for
        a name that is no compression.
        """
        if name is not None:
            self._call.set_compression(name)
        self._send_compression = name

    def send_headers(self) -> Awaitable[None]:
        """Send `response_headers` now, before the first message: `await ctx.send_headers()`.

        In blocking handlers they are sent by the call alone, and what it returns may be passed over. A unary
        answer in the Connect protocol has its status in its head, so there the head waits for the end.

        Raises `ConnectError` where the caller is gone.
        """
        sender = self._head_sender
        if sender is None:
            return _DONE
        return sender(self.response_headers._lines()) or _DONE


class _GivenFacts:
    """What a context that was made by hand says."""

    __slots__ = ("_end", "client_address", "http_method", "server_address")

    protocol = "connect"
    codec = "proto"
    is_cancelled = False

    def __init__(
        self,
        http_method: str,
        timeout_ms: float | None,
        server_address: str | None,
        client_address: str | None,
    ) -> None:
        self.http_method = http_method
        self.server_address = server_address
        self.client_address = client_address
        self._end = None if timeout_ms is None else time.monotonic() + timeout_ms / 1000

    def metadata(self) -> list[tuple[str, str]]:
        return []

    def timeout_ms(self) -> float | None:
        return None if self._end is None else (self._end - time.monotonic()) * 1000

    def peer_certificates(self) -> tuple[list[bytes], list[tuple[str, str]]] | None:
        return None

    def set_compression(self, name: str, /) -> bool:  # noqa: ARG002
        return True
