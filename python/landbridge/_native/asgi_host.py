"""An ASGI application behind the native server, for everything that is no call."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from landbridge._core import PENDING
from landbridge._operations.ending import stops_the_process
from landbridge.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from landbridge._core import Call

logger = logging.getLogger("landbridge")

_VERSIONS = {"asgi": {"version": "3.0", "spec_version": "2.4"}}


class AsgiHost:
    """Serves plain HTTP requests by an ASGI application, and runs its lifespan."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application
        self._state: dict[str, Any] = {}

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Have the application started. One that knows no lifespan is served without."""
        inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = {"type": "lifespan", **_VERSIONS, "state": self._state}
        task = asyncio.ensure_future(self._application(scope, inbox.get, outbox.put))
        try:
            inbox.put_nowait({"type": "lifespan.startup"})
            has_lifespan = await _answered(task, outbox, "lifespan.startup")
            try:
                yield
            finally:
                if has_lifespan:
                    inbox.put_nowait({"type": "lifespan.shutdown"})
                    await _answered(task, outbox, "lifespan.shutdown")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def serve(self, call: Call) -> None:
        """Serve one request to its end."""
        exchange = _Exchange(call)
        call.set_worker(exchange)
        try:
            await self._application(self._scope(call), exchange.receive, exchange.send)
        except asyncio.CancelledError:
            raise
        except BaseException as raised:
            logger.exception("the ASGI application failed")
            if stops_the_process(raised):
                raise
        finally:
            exchange.end()

    def _scope(self, call: Call) -> dict[str, Any]:
        target = call.http_target()
        scheme, path, query = target or ("http", "/", "")
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in call.metadata()]
        if call.server_address is not None and not any(name == b"host" for name, _ in headers):
            headers.insert(0, (b"host", call.server_address.encode("latin-1")))
        return {
            "type": "http",
            **_VERSIONS,
            "http_version": call.http_version,
            "method": call.http_method,
            "scheme": scheme,
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "root_path": "",
            "headers": headers,
            "client": _split(call.client_address),
            "server": _split(call.server_address),
            "state": dict(self._state),
        }


class _Exchange:
    """One request and its answer, as ASGI has them.

    A client who goes away does not cancel the application, which may be in the middle of something: it is
    told by `http.disconnect`, as other servers do.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._body_ended = False
        self._started = False
        self._ended = False
        self._left = asyncio.Event()

    def cancel(self) -> None:
        """The client has gone away. The core calls this."""
        self._left.set()

    async def receive(self) -> dict[str, Any]:
        call = self._call
        while not self._body_ended and not call.is_cancelled and not self._ended:
            try:
                data = call.receive()
            except ConnectError:
                # The request broke off.
                break
            if data is PENDING:
                await self._waited(call.when_readable)
            elif data is None:
                self._body_ended = True
                return {"type": "http.request", "body": b"", "more_body": False}
            else:
                return {"type": "http.request", "body": data, "more_body": True}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: dict[str, Any]) -> None:
        call = self._call
        if self._ended or call.is_cancelled:
            raise OSError("the client has gone away, or the response is complete")
        if event["type"] == "http.response.start":
            call.http_head(
                event["status"], [(bytes(name), bytes(value)) for name, value in event.get("headers", ())]
            )
            self._started = True
        elif event["type"] == "http.response.body":
            body = bytes(event.get("body", b""))
            has_more = event.get("more_body", False)
            has_room = call.send(body) if body or has_more else True
            if not has_more:
                self._end()
            elif not has_room:
                await self._waited(call.when_writable)

    def end(self) -> None:
        """The application has returned."""
        if self._ended or self._call.is_cancelled:
            return
        if self._started:
            # What is out looks like a beginning, and must not look like all.
            self._ended = True
            self._left.set()
            self._call.http_cut()
            return
        self._call.http_head(500, [(b"content-type", b"text/plain; charset=utf-8")])
        self._call.send(b"the application behind this server gave no answer\n")
        self._end()

    def _end(self) -> None:
        self._ended = True
        self._left.set()
        self._call.http_end()

    async def _waited(self, ask: Callable[[Any], None]) -> None:
        waiter = asyncio.get_running_loop().create_future()
        ask(waiter)
        await waiter


async def _answered(task: asyncio.Future[Any], outbox: asyncio.Queue[dict[str, Any]], what: str) -> bool:
    """Wait for an answer of the lifespan; say whether there was one. A failure is raised."""
    event = asyncio.ensure_future(outbox.get())
    await asyncio.wait((task, event), return_when=asyncio.FIRST_COMPLETED)
    if not event.done():
        event.cancel()
        return False
    message = event.result()
    if message["type"] == f"{what}.failed":
        # Frameworks give a whole traceback, whose last line says what it was.
        said = str(message.get("message", "")).rstrip().rpartition("\n")[2]
        raise RuntimeError(f"the ASGI application failed in its lifespan: {said}")
    return True


def _split(address: str | None) -> tuple[str, int] | None:
    if address is None:
        return None
    host, _, port = address.rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdigit() else (address, 0)
