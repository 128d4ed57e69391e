"""Applications under ASGI servers: uvicorn, hypercorn, granian, and mounts in Starlette or Django.

What is the same in every event loop is here; `_asgi_asyncio` and `_asgi_trio` have the rest.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from landbridge._core import Exchange
from landbridge._hosts import place
from landbridge._kinds import KINDS
from landbridge._operations.beside import runs_trio
from landbridge._operations.own_compression import plain
from landbridge._operations.run_async import run
from landbridge._request_target import URL_CHARACTERS, mounted, target
from landbridge._unread import PATIENCE, is_nearly_through
from landbridge.errors import ConnectError
from landbridge.request import RequestContext

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable

    from landbridge._headers import Lines
    from landbridge._operations.beside import Event
    from landbridge._operations.calls import Failure
    from landbridge._operations.operation import Operation
    from landbridge.server import ConnectASGIApplication

    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

AFTER_DEADLINE = 0.01
"""Seconds by which the server waits longer than its caller.

ASGI servers send head and content apart. A caller who is just giving up might be left with half an answer.
"""

LAST_WORDS = 1.0
"""Seconds that a write may still take when the deadline has passed."""


_DIGITS = 19
"""The most that the length of a content has, which is 64 bits."""

_NO_WEBSOCKETS = "calls come over HTTP, not by WebSocket"


async def serve(
    application: ConnectASGIApplication[Any], scope: dict[str, Any], receive: Receive, send: Send
) -> None:
    """Serve one scope."""
    match scope["type"]:
        case "lifespan":
            await _lifespan(application, receive, send)
        case "http":
            await _request(application, scope, receive, send)
        case "websocket":
            await _refuse_websocket(scope, receive, send)
        case other:
            raise RuntimeError(f"calls come over HTTP, not {other}")


async def _lifespan(application: ConnectASGIApplication[Any], receive: Receive, send: Send) -> None:
    await receive()
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(application.lifespan())
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        try:
            await stack.aclose()
        except Exception as error:
            await send({"type": "lifespan.shutdown.failed", "message": str(error)})
            return
    await send({"type": "lifespan.shutdown.complete"})


async def _refuse_websocket(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    await receive()
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1003, "reason": _NO_WEBSOCKETS})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "websocket.http.response.start", "status": 501, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": _NO_WEBSOCKETS.encode() + b"\n"})


async def _request(
    application: ConnectASGIApplication[Any], scope: dict[str, Any], receive: Receive, send: Send
) -> None:
    path: str = scope["path"]
    operation = mounted(application._operations, scope.get("root_path", ""), path)
    raw_path = scope.get("raw_path")
    exchange = Exchange(
        application._offer.service,
        http_method=scope["method"],
        target=target(
            quote(raw_path.split(b"?")[0], safe=URL_CHARACTERS) if raw_path else quote(path),
            scope.get("query_string", b""),
        ),
        http_version=scope.get("http_version", "1.1"),
        headers=[(bytes(name), bytes(value)) for name, value in scope["headers"]],
        kind=None if operation is None else KINDS[operation.stream_type],
        idempotent=operation is not None and operation.is_idempotent_get,
        trailers="http.response.trailers" in (scope.get("extensions") or {}),
    )
    loop = _running_loop()
    call = AsgiCall(loop, exchange, scope, receive, send)
    if operation is not None and not exchange.refused:
        await loop.work(call, _run(operation, call))
    elif call.may_finish:
        await loop.work(call, call.conclude())
    else:
        await call.writable()


async def _run(operation: Operation, call: AsgiCall) -> None:
    readable = plain(operation, call)
    ctx: RequestContext[Any, Any] = RequestContext._of(operation.method, readable, call.send_headers_now)
    await run(operation, readable, call, ctx)


def _running_loop() -> Loop:
    if runs_trio():
        from landbridge import _asgi_trio  # noqa: PLC0415

        return _asgi_trio
    from landbridge import _asgi_asyncio  # noqa: PLC0415

    return _asgi_asyncio


class Loop(Protocol):
    """What differs between event loops."""

    def event(self) -> Event:
        """Something to wait for."""
        ...

    def lock(self) -> contextlib.AbstractAsyncContextManager[Any]:
        """A lock."""
        ...

    async def turn(self) -> None:
        """Let others have a turn."""
        ...

    async def within(self, seconds: float, waiting: Coroutine[Any, Any, None], /) -> None:
        """Wait for it, but no longer than that."""
        ...

    async def work(self, call: AsgiCall, handler: Coroutine[Any, Any, None], /) -> None:
        """Run the handler and conclude the call; the deadline and a caller who goes away cancel it."""
        ...


class AsgiCall:
    """One call of an ASGI server: what the core knows of it, and the way to its bytes."""

    def __init__(
        self, loop: Loop, exchange: Exchange, scope: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        self._exchange = exchange
        self._scope = scope
        self._receive = receive
        self._send = send
        self._head_sent = False
        self._new_event = loop.event
        self._within = loop.within
        self.turn = loop.turn
        self._writing = loop.lock()
        # More of the request has come; more of it is wanted.
        self._arrived = loop.event()
        self._wanted = loop.event()
        self._problem: ConnectError | None = None
        # How much of the request is still to come, where that is known.
        self._left = _announced(scope["headers"])
        self._is_discarding = False
        self.is_gone = False
        """Whether the caller has gone away."""
        # The core knows these; they stand here for those who ask.
        self.receive = exchange.receive
        self.send = exchange.send
        self.finish = exchange.finish
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
        return str(self._scope["method"])

    @property
    def server_address(self) -> str | None:
        asked = self._exchange.server_address(self._scope.get("scheme", "http"))
        server = self._scope.get("server")
        return place(*server) if asked is None and server is not None else asked

    @property
    def client_address(self) -> str | None:
        client = self._scope.get("client")
        return None if client is None else place(*client)

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody waits for the answer."""
        return self.is_gone or self._exchange.is_late

    def peer_certificates(self) -> tuple[list[bytes], Lines] | None:
        """ASGI has no word for them that its servers use."""
        return None

    def fail(self, error: Failure, headers: Lines | None = None, trailers: Lines | None = None) -> None:
        self._exchange.fail(error, headers, trailers)

    def send_headers(self, headers: Lines | None) -> None:
        self._exchange.send_headers(headers)

    def send_headers_now(self, headers: Lines) -> Awaitable[None]:
        self._exchange.send_headers(headers)
        return self.writable()

    async def readable(self) -> None:
        """Wait for more of the request."""
        await self._more()
        if self._problem is not None:
            raise self._problem

    async def _more(self) -> None:
        arrived = self._arrived = self._new_event()
        self._wanted.set()
        await arrived.wait()

    @property
    def may_finish(self) -> bool:
        """Whether the caller may finish a request that nobody reads, before its answer begins."""
        return not self._head_sent and is_nearly_through(self._left)

    async def conclude(self) -> None:
        """Send the end of the answer."""
        left_ms = self.timeout_ms()
        patience = PATIENCE if left_ms is None else min(PATIENCE, left_ms / 1000 - AFTER_DEADLINE)
        if patience > 0 and self.may_finish:
            self._is_discarding = True
            await self._within(patience, self._rest())
        await self.writable()

    async def _rest(self) -> None:
        while self.may_finish and not self.is_gone:
            await self._more()

    async def writable(self) -> None:
        """Send what was written."""
        async with self._writing:
            head, body, is_end, trailers = self._exchange.take_output()
            if head is not None:
                status, headers = head
                has_trailers = trailers is not None or (self.protocol == "grpc" and not is_end)
                start = {"type": "http.response.start", "status": status, "headers": headers}
                self._head_sent = True
                await self._send({**start, "trailers": True} if has_trailers else start)
            if not self._head_sent or (not body and not is_end):
                return
            more = not is_end
            await self._send({"type": "http.response.body", "body": body, "more_body": more})
            if trailers is not None:
                await self._send(
                    {"type": "http.response.trailers", "headers": trailers, "more_trailers": False}
                )

    async def take_arrivals(self) -> None:
        """Take what comes of the request, as far as it is wanted. Returns when the caller has gone away."""
        try:
            await self._take_arrivals()
        except Exception:
            self._go()
            raise
        self._go()

    def _go(self) -> None:
        self.is_gone = True
        self._arrived.set()

    async def _take_arrivals(self) -> None:
        has_ended = False
        while (event := await self._receive())["type"] != "http.disconnect":
            if has_ended:
                continue
            body = event.get("body", b"")
            has_ended = not event.get("more_body", False)
            if has_ended:
                self._left = 0
            elif self._left is not None:
                self._left -= len(body)
            if not self._is_discarding:
                self._take(body, has_ended)
            self._arrived.set()
            if not has_ended:
                await self._wanted.wait()
                self._wanted = self._new_event()

    def _take(self, body: bytes, is_last: bool) -> None:
        try:
            if body:
                self._exchange.push(bytes(body))
            if is_last:
                self._exchange.end()
        except ConnectError as problem:
            self._problem = problem

    async def between_writes(self, cancel: Callable[[], object]) -> None:
        """Cancel the work, but not in the middle of a write, of which half would be lost."""
        async with self._writing:
            cancel()

    async def tell_lateness(self) -> None:
        """Answer that the deadline has passed."""
        self._exchange.fail_late()
        await self.writable()


def _announced(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """The length of the content. None where it is not known, or not certain to come."""
    named = {bytes(name): bytes(value) for name, value in headers}
    length = named.get(b"content-length", b"")
    known = length.isdigit() and len(length) <= _DIGITS and b"expect" not in named
    return int(length) if known else None
