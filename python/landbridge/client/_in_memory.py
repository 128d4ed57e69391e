"""Applications that are called without a socket, for tests."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from landbridge._settings import described

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from landbridge._headers import Lines, RawLines
    from landbridge.client._carried_async import AsyncCarriedCall
    from landbridge.client._carried_sync import SyncCarriedCall

__all__ = ["InMemory", "InMemorySync"]


class InMemory:
    """An ASGI application that `ConnectClient(..., http_client=InMemory(application))` calls directly.

    All three protocols work, with both ways of a stream at once. As an asynchronous context manager it runs
    the application's lifespan, which services that are generators need.

    Raises `TypeError` for what is no ASGI application.
    """

    def __init__(self, application: Callable[..., Any]) -> None:
        _check("an ASGI application, as InMemorySync has WSGI ones", application, arguments=3)
        self._application = application
        self._lifespan: Any = None

    async def __aenter__(self) -> Self:
        from landbridge._native.asgi_host import AsgiHost  # noqa: PLC0415

        self._lifespan = AsgiHost(self._application).lifespan()
        await self._lifespan.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._lifespan.__aexit__(kind, error, trace)

    async def _carry(
        self,
        http_method: str,
        target: str,
        headers: Lines,
        content: AsyncIterator[bytes] | bytes,
        _timeout: float | None,
        call: AsyncCarriedCall,
    ) -> None:
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "2",
            "method": http_method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "root_path": "",
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
            "client": ("127.0.0.1", 0),
            "server": ("in-memory", 80),
            "extensions": {"http.response.trailers": {}},
        }
        exchange = _Exchange(content, call)
        try:
            await self._application(scope, exchange.receive, exchange.send)
        finally:
            exchange.over.set()
            await exchange.close()
        exchange.end()


class _Exchange:
    """One request and its response, as ASGI has them."""

    def __init__(self, content: AsyncIterator[bytes] | bytes, call: AsyncCarriedCall) -> None:
        self._content = content
        self._call = call
        self._sent_all = False
        self._trailers: RawLines | None = None
        self._awaits_trailers = False
        self._ended = False
        self.over = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if self._sent_all:
            await self.over.wait()
            return {"type": "http.disconnect"}
        if isinstance(self._content, bytes):
            self._sent_all = True
            return {"type": "http.request", "body": self._content, "more_body": False}
        try:
            return {"type": "http.request", "body": await anext(self._content), "more_body": True}
        except StopAsyncIteration:
            self._sent_all = True
            return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "http.response.start":
            self._awaits_trailers = bool(event.get("trailers", False))
            headers = [(bytes(name), bytes(value)) for name, value in event.get("headers", ())]
            self._call.respond(event["status"], headers)
        elif kind == "http.response.body":
            if event.get("body"):
                await self._call.push(bytes(event["body"]))
            if not event.get("more_body", False) and not self._awaits_trailers:
                self.end()
        elif kind == "http.response.trailers":
            self._trailers = [(bytes(name), bytes(value)) for name, value in event.get("headers", ())]
            self.end()

    def end(self) -> None:
        """The response has ended, or nothing more comes of it."""
        if not self._ended:
            self._ended = True
            self._call.end(self._trailers)

    async def close(self) -> None:
        """What nobody reads of the request is let go of."""
        close = getattr(self._content, "aclose", None)
        if close is not None:
            await close()


class InMemorySync:
    """A WSGI application that `ConnectClientSync(..., http_client=InMemorySync(application))` calls directly.

    Connect and gRPC-Web work. The application runs on the thread that calls it; for streams, on one of its
    own. It has nothing to start and to end; it is a context manager to be used as `InMemory` is.

    Raises `TypeError` for what is no WSGI application.
    """

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        _check("a WSGI application, as InMemory has ASGI ones", application, arguments=2)
        self._application = application

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def _carry(
        self,
        http_method: str,
        target: str,
        headers: Lines,
        content: Iterator[bytes] | bytes,
        _timeout: float | None,
        call: SyncCarriedCall,
    ) -> None:
        path, _, query = target.partition("?")
        body: Any = io.BytesIO(content) if isinstance(content, bytes) else io.BufferedReader(_Reader(content))
        environ: dict[str, Any] = {
            "REQUEST_METHOD": http_method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path),
            "QUERY_STRING": query,
            "SERVER_NAME": "in-memory",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": body,
            "wsgi.input_terminated": True,
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in headers:
            key = name.upper().replace("-", "_")
            key = key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value

        def start_response(status: str, lines: list[tuple[str, str]], _error: Any = None) -> Any:
            raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines]
            call.respond(int(status.split(" ", 1)[0]), raw)

        pieces = self._application(environ, start_response)
        try:
            for piece in pieces:
                call.push(piece)
            call.end(None)
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()


class _Reader(io.RawIOBase):
    """The content of a request, as WSGI reads it."""

    def __init__(self, content: Iterator[bytes]) -> None:
        self._content = content
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = next(self._content, b"")
        taken = self._rest[: len(buffer)]
        self._rest = self._rest[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)


def _check(wanted: str, application: Any, *, arguments: int) -> None:
    """Raise `TypeError` unless it takes as many arguments as such applications do."""
    import inspect  # noqa: PLC0415

    try:
        inspect.signature(application).bind(*[None] * arguments)
    except ValueError:
        # Some that are not written in Python do not tell.
        pass
    except TypeError:
        raise TypeError(f"the application is {described(application)}: it must be {wanted}") from None
