"""Interceptors: in which order they stand, what they see, and what they may do."""

import asyncio
import queue
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.method import StreamType
from landbridge.request import RequestContext

from tests.package.conftest import Serve
from tests.package.echo import SERVICE, AsyncEcho, SyncEcho, stub, text

Channel = Callable[[int], grpc.Channel]
Context = RequestContext[Any, Any]

BOTH = pytest.mark.parametrize("application", [AsyncEcho, SyncEcho])

KINDS = {
    StreamType.UNARY: "unary_unary",
    StreamType.CLIENT_STREAM: "stream_unary",
    StreamType.SERVER_STREAM: "unary_stream",
    StreamType.BIDI_STREAM: "stream_stream",
}


class Handlers:
    """One of each kind: what comes in goes out."""

    async def unary(self, request: StringValue, _ctx: Context) -> StringValue:
        """One and one."""
        return request

    async def client_stream(self, requests: AsyncIterator[StringValue], _ctx: Context) -> StringValue:
        """Many and one."""
        return text("".join([request.value async for request in requests]))

    async def server_stream(self, request: StringValue, _ctx: Context) -> AsyncIterator[StringValue]:
        """One and many."""
        for letter in request.value:
            yield text(letter)

    async def bidi_stream(
        self, requests: AsyncIterator[StringValue], _ctx: Context
    ) -> AsyncIterator[StringValue]:
        """Many and many."""
        async for request in requests:
            yield request


class HandlersSync:
    """The same, blocking."""

    def unary(self, request: StringValue, _ctx: Context) -> StringValue:
        """One and one."""
        return request

    def client_stream(self, requests: Iterator[StringValue], _ctx: Context) -> StringValue:
        """Many and one."""
        return text("".join(request.value for request in requests))

    def server_stream(self, request: StringValue, _ctx: Context) -> Iterator[StringValue]:
        """One and many."""
        for letter in request.value:
            yield text(letter)

    def bidi_stream(self, requests: Iterator[StringValue], _ctx: Context) -> Iterator[StringValue]:
        """Many and many."""
        yield from requests


def methods(application: Any) -> dict[str, tuple[StreamType, Callable[..., Any]]]:
    """One of each kind."""
    handlers: Any = Handlers() if application is AsyncEcho else HandlersSync()
    return {kind.name: (kind, getattr(handlers, kind.name.lower())) for kind in StreamType}


def call(channel: grpc.Channel, kind: StreamType, *letters: str) -> str:
    """Call the method of this kind; gives all that it answers."""
    make = stub(channel, kind.name, KINDS[kind])
    takes_stream = kind in {StreamType.CLIENT_STREAM, StreamType.BIDI_STREAM}
    answer = make(iter([text(letter) for letter in letters]) if takes_stream else text("".join(letters)))
    gives_stream = kind in {StreamType.SERVER_STREAM, StreamType.BIDI_STREAM}
    return "".join(message.value for message in answer) if gives_stream else str(answer.value)


class Wrapping:
    """A message interceptor for every kind, in both worlds: it puts a letter around what it sees."""

    def __init__(self, letter: str) -> None:
        self._letter = letter

    def _around(self, message: StringValue) -> StringValue:
        return text(f"{self._letter}{message.value}{self._letter}")

    async def intercept_unary(
        self, call_next: Callable[[Any, Context], Awaitable[Any]], request: Any, ctx: Context, /
    ) -> Any:
        """Around the response."""
        return self._around(await call_next(request, ctx))

    async def intercept_client_stream(
        self, call_next: Callable[[Any, Context], Awaitable[Any]], request: Any, ctx: Context, /
    ) -> Any:
        """Around the response."""
        return self._around(await call_next(request, ctx))

    async def intercept_server_stream(
        self, call_next: Callable[[Any, Context], AsyncIterator[Any]], request: Any, ctx: Context, /
    ) -> AsyncIterator[Any]:
        """Around each response."""
        async for response in call_next(request, ctx):
            yield self._around(response)

    async def intercept_bidi_stream(
        self, call_next: Callable[[Any, Context], AsyncIterator[Any]], request: Any, ctx: Context, /
    ) -> AsyncIterator[Any]:
        """Around each response."""
        async for response in call_next(request, ctx):
            yield self._around(response)

    def intercept_unary_sync(
        self, call_next: Callable[[Any, Context], Any], request: Any, ctx: Context, /
    ) -> Any:
        """Around the response."""
        return self._around(call_next(request, ctx))

    def intercept_client_stream_sync(
        self, call_next: Callable[[Any, Context], Any], request: Any, ctx: Context, /
    ) -> Any:
        """Around the response."""
        return self._around(call_next(request, ctx))

    def intercept_server_stream_sync(
        self, call_next: Callable[[Any, Context], Iterator[Any]], request: Any, ctx: Context, /
    ) -> Iterator[Any]:
        """Around each response."""
        for response in call_next(request, ctx):
            yield self._around(response)

    def intercept_bidi_stream_sync(
        self, call_next: Callable[[Any, Context], Iterator[Any]], request: Any, ctx: Context, /
    ) -> Iterator[Any]:
        """Around each response."""
        for response in call_next(request, ctx):
            yield self._around(response)


class Recording:
    """A metadata interceptor, in both worlds."""

    def __init__(self, name: str, seen: list[Any], *, refuses: bool = False) -> None:
        self._name, self._seen, self._refuses = name, seen, refuses

    async def on_start(self, ctx: Context) -> str:
        """Begin."""
        return self.on_start_sync(ctx)

    async def on_end(self, token: str, ctx: Context, error: Exception | None, /) -> None:
        """End."""
        self.on_end_sync(token, ctx, error)

    def on_start_sync(self, ctx: Context) -> str:
        """Begin."""
        self._seen.append(f"{self._name} starts {ctx.method.name}")
        if self._refuses:
            raise ConnectError(Code.PERMISSION_DENIED, f"{self._name} refuses")
        return f"token of {self._name}"

    def on_end_sync(self, token: str, ctx: Context, error: Exception | None, /) -> None:
        """End."""
        ctx.response_trailers.add("x-seen", self._name)
        self._seen.append(f"{self._name} ends with {token}: {error}")


@BOTH
@pytest.mark.parametrize("kind", list(StreamType))
def test_message_interceptors_stand_around_every_kind_the_first_outermost(
    application: Any, kind: StreamType, serve: Serve, channel: Channel
) -> None:
    port = serve(application(methods(application), interceptors=[Wrapping("("), Wrapping("|")]))
    each = kind in {StreamType.SERVER_STREAM, StreamType.BIDI_STREAM}
    assert call(channel(port), kind, "a", "b") == ("(|a|((|b|(" if each else "(|ab|(")


@BOTH
@pytest.mark.parametrize("kind", list(StreamType))
@pytest.mark.parametrize("order", ["first", "behind a message interceptor"])
def test_metadata_interceptors_see_the_start_and_the_end_of_every_kind(
    application: Any, kind: StreamType, order: str, serve: Serve, channel: Channel
) -> None:
    seen: list[Any] = []
    interceptors: list[Any] = [Recording("one", seen), Recording("two", seen)]
    if order != "first":
        interceptors.insert(0, Wrapping(""))
    port = serve(application(methods(application), interceptors=interceptors))
    assert call(channel(port), kind, "a", "b") == "ab"
    # Their end is part of the answer, so it was before the answer's.
    assert seen == [
        f"one starts {kind.name}",
        f"two starts {kind.name}",
        "two ends with token of two: None",
        "one ends with token of one: None",
    ]


@BOTH
@pytest.mark.parametrize("kind", list(StreamType))
def test_a_metadata_interceptor_refuses_before_the_request_is_read(
    application: Any, kind: StreamType, serve: Serve
) -> None:
    seen: list[Any] = []
    refusing = [Recording("one", seen), Recording("two", seen, refuses=True), Recording("three", seen)]
    port = serve(application(methods(application), interceptors=refusing))
    unary = kind is StreamType.UNARY
    with socket.create_connection(("127.0.0.1", port)) as connection:
        # The head of a request whose content never comes.
        connection.sendall(
            f"POST /{SERVICE}/{kind.name} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n"
            f"content-type: application/{'json' if unary else 'connect+json'}\r\n\r\n".encode()
        )
        said = b""
        while b"two refuses" not in said:
            said += connection.recv(4096) or pytest.fail(f"it ended with {said!r}")
    assert b"permission_denied" in said
    assert seen == [
        f"one starts {kind.name}",
        f"two starts {kind.name}",
        "one ends with token of one: two refuses",
    ]


@BOTH
def test_interceptors_see_how_a_call_failed_and_what_they_raise_replaces_it(
    application: Any, serve: Serve, channel: Channel
) -> None:
    seen: list[Any] = []

    def fail(_request: StringValue, _ctx: Context) -> StringValue:
        raise ConnectError(Code.NOT_FOUND, "no such thing")

    async def fail_async(request: StringValue, ctx: Context) -> StringValue:
        return fail(request, ctx)

    class Replacing:
        async def on_start(self, ctx: Context) -> None:
            self.on_start_sync(ctx)

        async def on_end(self, token: None, ctx: Context, error: Exception | None, /) -> None:
            self.on_end_sync(token, ctx, error)

        def on_start_sync(self, _ctx: Context) -> None:
            pass

        def on_end_sync(self, _token: None, _ctx: Context, error: Exception | None, /) -> None:
            raise ConnectError(Code.ABORTED, f"instead of {error}")

    handler = fail_async if application is AsyncEcho else fail
    interceptors = [Recording("outer", seen), Replacing(), Recording("inner", seen)]
    port = serve(application({"Echo": (StreamType.UNARY, handler)}, interceptors=interceptors))
    with pytest.raises(grpc.RpcError) as caught:
        stub(channel(port))(text("a"))
    error: Any = caught.value
    assert (error.code(), error.details()) == (grpc.StatusCode.ABORTED, "instead of no such thing")
    assert [value for name, value in error.trailing_metadata() if name == "x-seen"] == ["inner", "outer"]
    assert seen[2:] == [
        "inner ends with token of inner: no such thing",
        "outer ends with token of outer: instead of no such thing",
    ]


@BOTH
def test_an_interceptor_may_change_requests_answer_itself_and_be_several_at_once(
    application: Any, serve: Serve
) -> None:
    seen: list[Any] = []

    class Both(Recording):
        async def intercept_unary(
            self, call_next: Callable[[Any, Context], Awaitable[Any]], request: Any, ctx: Context, /
        ) -> Any:
            if request.value == "cached":
                return text("from the cache")
            return await call_next(text(request.value.upper()), ctx)

        def intercept_unary_sync(
            self, call_next: Callable[[Any, Context], Any], request: Any, ctx: Context, /
        ) -> Any:
            if request.value == "cached":
                return text("from the cache")
            return call_next(text(request.value.upper()), ctx)

    port = serve(application(methods(application), interceptors=[Both("both", seen)]))
    url = f"http://127.0.0.1:{port}/{SERVICE}/UNARY"
    assert httpx.post(url, json="shout").json() == "SHOUT"
    assert httpx.post(url, json="cached").json() == "from the cache"
    assert len(seen) == 4


@pytest.mark.parametrize(
    "is_first", [True, False], ids=["before the request", "around a message interceptor"]
)
@pytest.mark.parametrize("kind", [StreamType.UNARY, StreamType.SERVER_STREAM])
def test_interceptors_tell_a_deadline_from_a_caller_who_has_gone(
    kind: StreamType, is_first: bool, serve: Serve, channel: Channel
) -> None:
    began = threading.Event()
    ends: queue.Queue[Any] = queue.Queue()

    class Watch:
        async def on_start(self, _ctx: Context) -> None:
            pass

        async def on_end(self, _token: None, _ctx: Context, error: Exception | None) -> None:
            ends.put(error)

    async def hang(request: StringValue, _ctx: Context) -> StringValue:
        began.set()
        await asyncio.Event().wait()
        return request

    async def hang_on(request: StringValue, ctx: Context) -> AsyncIterator[StringValue]:
        yield await hang(request, ctx)

    interceptors = [Watch()] if is_first else [Wrapping("-"), Watch()]
    handler = hang if kind is StreamType.UNARY else hang_on
    port = serve(AsyncEcho({"Echo": (kind, handler)}, interceptors=interceptors))
    form = "proto" if kind is StreamType.UNARY else "connect+proto"
    httpx.post(
        f"http://127.0.0.1:{port}/{SERVICE}/Echo",
        content=b"" if kind is StreamType.UNARY else bytes(5),
        headers={"content-type": f"application/{form}", "connect-timeout-ms": "300"},
    )
    assert ends.get(timeout=10).code is Code.DEADLINE_EXCEEDED
    began.clear()
    pending = stub(channel(port), kind="unary_stream")(text("a"), timeout=60)
    assert began.wait(10)
    pending.cancel()
    assert ends.get(timeout=10).code is Code.CANCELED


class First:
    """A message interceptor that takes one response and no more, and keeps hold of the rest."""

    def __init__(self) -> None:
        self.rest: list[Any] = []

    async def intercept_server_stream(
        self, call_next: Callable[[Any, Context], AsyncIterator[Any]], request: Any, ctx: Context, /
    ) -> AsyncIterator[Any]:
        """The first response."""
        responses = call_next(request, ctx)
        self.rest.append(responses)
        async for response in responses:
            yield response
            return

    def intercept_server_stream_sync(
        self, call_next: Callable[[Any, Context], Iterator[Any]], request: Any, ctx: Context, /
    ) -> Iterator[Any]:
        """The first response."""
        responses = call_next(request, ctx)
        self.rest.append(responses)
        for response in responses:
            yield response
            return


@BOTH
def test_what_stands_behind_an_interceptor_that_stops_early_ends_before_what_stands_around_it(
    application: Any, serve: Serve, channel: Channel
) -> None:
    seen: list[Any] = []
    # Behind a message interceptor none runs before the request is read.
    interceptors = [Wrapping("-"), Recording("outer", seen), First(), Recording("inner", seen)]
    port = serve(application(methods(application), interceptors=interceptors))
    answer = stub(channel(port), "SERVER_STREAM", "unary_stream")(text("abc"))
    assert [message.value for message in answer] == ["-a-"]
    assert seen[2:] == [
        "inner ends with token of inner: the call was cancelled",
        "outer ends with token of outer: None",
    ]
    assert [value for name, value in answer.trailing_metadata() if name == "x-seen"] == ["inner", "outer"]
