"""Applications under WSGI servers: gunicorn, uWSGI, and mounts in Django or Flask.

WSGI reads a request before it writes much of the answer, so both directions at once are not to be had there.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from landbridge._core import PENDING, Exchange
from landbridge._hosts import place
from landbridge._kinds import KINDS
from landbridge._operations.own_compression import plain
from landbridge._operations.run_sync import run_sync
from landbridge._request_target import mounted, target
from landbridge._unread import LITTLE, is_nearly_through
from landbridge.request import RequestContext

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from landbridge._headers import Lines
    from landbridge._operations.calls import Failure
    from landbridge.server import ConnectWSGIApplication

_READ_AT_ONCE = 64 << 10


def serve(
    application: ConnectWSGIApplication, environ: dict[str, Any], start_response: Any
) -> Iterable[bytes]:
    """Serve one request."""
    root, path = environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")
    operation = mounted(application._operations, root, path)
    exchange = Exchange(
        application._offer.service,
        http_method=environ["REQUEST_METHOD"],
        # What WSGI gives is decoded, and without the mount.
        target=target(
            quote(root + path, encoding="latin-1") or "/", environ.get("QUERY_STRING", "").encode("latin-1")
        ),
        http_version=environ.get("SERVER_PROTOCOL", "HTTP/1.1").removeprefix("HTTP/"),
        headers=list(_headers(environ)),
        kind=None if operation is None else KINDS[operation.stream_type],
        idempotent=operation is not None and operation.is_idempotent_get,
        trailers=False,
    )
    call = _Call(exchange, environ)
    answer = _Answer(exchange, call, start_response)
    if operation is None or exchange.refused:
        return answer.refusal()
    readable = plain(operation, call)
    ctx: RequestContext[Any, Any] = RequestContext._of(operation.method, readable, readable.send_headers)
    steps = run_sync(operation, readable, ctx)
    return answer.of(steps)


class _Answer:
    """What goes to the WSGI server."""

    def __init__(self, exchange: Exchange, call: _Call, start_response: Any) -> None:
        self._exchange = exchange
        self._call = call
        self._start_response = start_response

    def refusal(self) -> Iterator[bytes]:
        """The content of an answer that is there as a whole."""
        return self._rest(self.taken(), _nothing())

    def of(self, steps: Generator[None, None, None]) -> Iterator[bytes]:
        """The content, step by step. The head is given before the first piece, as WSGI wants it."""
        next(steps, None)
        return self._rest(self.taken(), steps)

    def _rest(self, piece: bytes, steps: Generator[None, None, None]) -> Iterator[bytes]:
        try:
            yield piece
            for _ in steps:
                yield self.taken()
            yield self.taken()
            self._call.discard_rest()
        finally:
            # The server closes what it stops reading: then the handler ends, too.
            steps.close()

    def taken(self) -> bytes:
        """What has been written, with the head given to the server."""
        head, body, is_end, _ = self._exchange.take_output()
        if head is not None:
            if is_end and self._call.is_about_to_be_done:
                self._call.discard_rest()
            status, headers = head
            lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
            self._start_response(f"{status} {_phrase(status)}", lines)
        return body


def _nothing() -> Generator[None, None, None]:
    return
    yield


class _Call:
    """One call of a WSGI server: what the core knows of it, and the way to its bytes."""

    def __init__(self, exchange: Exchange, environ: dict[str, Any]) -> None:
        self._exchange = exchange
        self._environ = environ
        self._input = environ["wsgi.input"]
        self._left = _content_length(environ)
        self._may_wait = "HTTP_EXPECT" in environ
        self._has_ended = self._left == 0
        self.send = exchange.send
        self.finish = exchange.finish
        self.receive = exchange.receive
        self.set_compression = exchange.set_compression
        self.metadata = exchange.metadata
        self.timeout_ms = exchange.timeout_ms

    @property
    def protocol(self) -> str:
        return self._exchange.protocol

    @property
    def codec(self) -> str:
        return self._exchange.codec

    @property
    def encoding(self) -> str | None:
        return self._exchange.encoding

    @property
    def response_encoding(self) -> str | None:
        return self._exchange.response_encoding

    @property
    def http_method(self) -> str:
        return str(self._environ["REQUEST_METHOD"])

    @property
    def server_address(self) -> str | None:
        asked = self._exchange.server_address(self._environ.get("wsgi.url_scheme", "http"))
        return place(self._environ["SERVER_NAME"], self._environ["SERVER_PORT"]) if asked is None else asked

    @property
    def client_address(self) -> str | None:
        address: str | None = self._environ.get("REMOTE_ADDR")
        return place(address, self._environ.get("REMOTE_PORT")) if address else None

    @property
    def is_cancelled(self) -> bool:
        """Whether the deadline has passed; WSGI does not tell whether the caller is there."""
        return self._exchange.is_late

    def peer_certificates(self) -> tuple[list[bytes], Lines] | None:
        """WSGI has no word for them."""
        return None

    def fail(self, error: Failure, headers: Lines | None = None, trailers: Lines | None = None, /) -> None:
        self._exchange.fail(error, headers, trailers)

    def send_headers(self, headers: Lines | None, /) -> None:
        self._exchange.send_headers(headers)

    def receive_blocking(self) -> Any:
        """The next message, `None` after the last; reads as much as that takes."""
        while (message := self._exchange.receive()) is PENDING:
            self._take_more()
        return message

    @property
    def is_about_to_be_done(self) -> bool:
        """Whether what is left of the request is little, and certain to come."""
        return is_nearly_through(self._left) and not self._may_wait

    def discard_rest(self) -> None:
        """Read what the handler has left of the request, if it is not too much."""
        budget = LITTLE
        while not self._has_ended and budget > 0:
            budget -= len(self._read())

    def _take_more(self) -> None:
        if data := self._read():
            self._exchange.push(data)
        if self._has_ended:
            self._exchange.end()

    def _read(self) -> bytes:
        wanted = _READ_AT_ONCE if self._left is None else min(_READ_AT_ONCE, self._left)
        data: bytes = self._input.read(wanted) if wanted else b""
        if self._left is not None:
            self._left -= len(data)
        self._has_ended = not data or self._left == 0
        return data


def _content_length(environ: dict[str, Any]) -> int | None:
    """The length of the content; `None` where the end of the input tells it."""
    length = environ.get("CONTENT_LENGTH")
    if length:
        return int(length)
    chunked = (
        environ.get("wsgi.input_terminated") or "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
    )
    return None if chunked else 0


def _headers(environ: dict[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            name = name[5:]  # noqa: PLW2901
        elif name not in {"CONTENT_TYPE", "CONTENT_LENGTH"} or not value:
            continue
        yield name.replace("_", "-").lower().encode("latin-1"), str(value).encode("latin-1")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
