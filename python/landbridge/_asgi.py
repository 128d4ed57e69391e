"""Applications under ASGI servers: uvicorn, hypercorn, granian, and mounts in Starlette or Django."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from landbridge._core import Exchange
from landbridge._operations.own_compression import plain
from landbridge._operations.run_async import run
from landbridge.errors import ConnectError
from landbridge.method import StreamType
from landbridge.request import RequestContext

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from landbridge._operations.calls import Failure, Lines
    from landbridge._operations.operation import Operation
    from landbridge.server import ConnectASGIApplication

    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

_AFTER_DEADLINE = 0.01
"""Seconds by which the server waits longer than its caller.

ASGI servers send head and content apart. A caller who is just giving up might be left with half an answer.
"""

STREAMS = {
    StreamType.UNARY: 0,
    StreamType.CLIENT_STREAM: 1,
    StreamType.SERVER_STREAM: 2,
    StreamType.BIDI_STREAM: 3,
}


async def serve(
    application: ConnectASGIApplication[Any], scope: dict[str, Any], receive: Receive, send: Send
) -> None:
    """Serve one scope."""
    if scope["type"] == "lifespan":
        await _lifespan(application, receive, send)
    elif scope["type"] == "http":
        await _request(application, scope, receive, send)
    else:
        raise RuntimeError(f"calls come over HTTP, not {scope['type']}: mount this application at its path")


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


async def _request(
    application: ConnectASGIApplication[Any], scope: dict[str, Any], receive: Receive, send: Send
) -> None:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root + "/"):
        path = path[len(root) :]
    operation = application._operations.get(path)
    query = scope.get("query_string", b"").decode("latin-1")
    raw_path = scope.get("raw_path") or path.encode()
    exchange = Exchange(
        application._offer.service,
        http_method=scope["method"],
        target=raw_path.split(b"?")[0].decode("latin-1") + (f"?{query}" if query else ""),
        http_version=scope.get("http_version", "1.1"),
        headers=[(bytes(name), bytes(value)) for name, value in scope["headers"]],
        stream=None if operation is None else STREAMS[operation.stream_type],
        idempotent=operation is not None and operation.is_idempotent_get,
        trailers="http.response.trailers" in scope.get("extensions", {}),
    )
    call = _Call(exchange, scope, receive, send)
    if operation is None or exchange.refused:
        await call.writable()
        return
    await call.work(_run(operation, call))


async def _run(operation: Operation, call: _Call) -> None:
    readable = plain(operation, call)
    ctx: RequestContext[Any, Any] = RequestContext._of(operation.method, readable, call.send_headers_now)
    await run(operation, readable, call, ctx)


class _Call:
    """One call of an ASGI server: what the core knows of it, and the way to its bytes."""

    def __init__(self, exchange: Exchange, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self._exchange = exchange
        self._scope = scope
        self._receive = receive
        self._send = send
        self._head_sent = False
        self._writing = asyncio.Lock()
        # More of the request has come; more of it is wanted.
        self._arrived = asyncio.Event()
        self._wanted = asyncio.Event()
        self._problem: ConnectError | None = None
        self.is_cancelled = False
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
        server = self._scope.get("server")
        host: str | None = next(
            (value.decode("latin-1") for name, value in self._scope["headers"] if name == b"host"), None
        )
        if host is not None and ":" in host:
            return host
        if host is not None:
            return f"{host}:{443 if self._scope.get('scheme') == 'https' else 80}"
        return None if server is None else f"{server[0]}:{server[1]}"

    @property
    def client_address(self) -> str | None:
        client = self._scope.get("client")
        return None if client is None else f"{client[0]}:{client[1]}"

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
        self._arrived.clear()
        self._wanted.set()
        await self._arrived.wait()
        if self._problem is not None:
            raise self._problem

    async def writable(self) -> None:
        """Send what was written."""
        async with self._writing:
            head, body, is_end, trailers = self._exchange.take_output()
            if head is not None:
                status, headers = head
                start = {"type": "http.response.start", "status": status, "headers": headers}
                if self.protocol == "grpc":
                    start["trailers"] = trailers is not None or not is_end
                self._head_sent = True
                await self._send(start)
            if not self._head_sent or (not body and not is_end):
                return
            more = not is_end
            await self._send({"type": "http.response.body", "body": body, "more_body": more})
            if trailers is not None:
                await self._send(
                    {"type": "http.response.trailers", "headers": trailers, "more_trailers": False}
                )

    async def work(self, work: Coroutine[Any, Any, None]) -> None:
        """Run the handler; the deadline and a caller who goes away cancel it."""
        handler = asyncio.ensure_future(work)
        arrivals = asyncio.ensure_future(self._take_arrivals())
        timeout_ms = self.timeout_ms()
        try:
            await asyncio.wait(
                (handler, arrivals),
                timeout=None if timeout_ms is None else max(0.0, timeout_ms / 1000) + _AFTER_DEADLINE,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not handler.done():
                # The deadline, unless the caller has gone away.
                is_late = not arrivals.done()
                self.is_cancelled = True
                handler.cancel()
                await asyncio.wait((handler,))
                if is_late:
                    message = "the deadline has passed before the call was answered"
                    self.fail(("deadline_exceeded", message, []))
                    await self.writable()
            elif not handler.cancelled() and handler.exception() is None:
                await self.writable()
        finally:
            for task in (handler, arrivals):
                task.cancel()
            await asyncio.gather(handler, arrivals, return_exceptions=True)
        if not handler.cancelled() and (problem := handler.exception()) is not None:
            raise problem

    async def _take_arrivals(self) -> None:
        """Take what comes of the request, as far as it is wanted. Returns when the caller has gone away."""
        has_ended = False
        while (event := await self._receive())["type"] != "http.disconnect":
            if has_ended:
                continue
            try:
                if body := event.get("body", b""):
                    self._exchange.push(bytes(body))
                if not event.get("more_body", False):
                    has_ended = True
                    self._exchange.end()
            except ConnectError as problem:
                self._problem = problem
            self._arrived.set()
            if not has_ended:
                await self._wanted.wait()
                self._wanted.clear()
