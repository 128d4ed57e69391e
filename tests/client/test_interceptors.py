"""Interceptors around the calls of both clients, of every kind, to whatever end these come."""

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.client import Cancellation, ConnectClient, ConnectClientSync, Transport
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.protocol import ProtocolType

from tests.client.echo import COUNT, ECHO, SUM, TALK, Echo, text
from tests.package.echo import SyncEcho, unary
from tests.running.threads import named

AsyncTest = Callable[[ConnectClient], Coroutine[Any, Any, None]]
PROTOCOLS = pytest.mark.parametrize("protocol", list(ProtocolType), ids=lambda protocol: protocol.value)


class OwnError(Exception):
    """What an interceptor raises."""


class Noting:
    """Around every kind: notes what goes in and out, and when it is left."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.left = threading.Semaphore(0)
        """Released whenever it is left, however that comes about."""

    @contextmanager
    def _around(self, kind: str) -> Iterator[None]:
        self.notes.append(kind)
        try:
            yield
        finally:
            self.left.release()

    async def _requests(self, request: AsyncIterator[StringValue]) -> AsyncIterator[StringValue]:
        async for message in request:
            self.notes.append(f">{message.value}")
            yield message

    async def intercept_unary(self, call_next: Any, request: StringValue, ctx: Any) -> StringValue:
        """Note the request."""
        with self._around("unary"):
            self.notes.append(f">{request.value}")
            response: StringValue = await call_next(request, ctx)
            self.notes.append(f"<{response.value}")
            return response

    async def intercept_client_stream(self, call_next: Any, request: Any, ctx: Any) -> StringValue:
        """Note each request."""
        with self._around("client stream"):
            response: StringValue = await call_next(self._requests(request), ctx)
            self.notes.append(f"<{response.value}")
            return response

    async def intercept_server_stream(
        self, call_next: Any, request: StringValue, ctx: Any
    ) -> AsyncIterator[StringValue]:
        """Note each response."""
        with self._around("server stream"):
            self.notes.append(f">{request.value}")
            async for response in call_next(request, ctx):
                self.notes.append(f"<{response.value}")
                yield response

    async def intercept_bidi_stream(
        self, call_next: Any, request: Any, ctx: Any
    ) -> AsyncIterator[StringValue]:
        """Note both ways."""
        with self._around("bidi stream"):
            async for response in call_next(self._requests(request), ctx):
                self.notes.append(f"<{response.value}")
                yield response


class NotingSync(Noting):
    """The same for the blocking client."""

    def _requests_sync(self, request: Iterator[StringValue]) -> Iterator[StringValue]:
        for message in request:
            self.notes.append(f">{message.value}")
            yield message

    def intercept_unary_sync(self, call_next: Any, request: StringValue, ctx: Any) -> StringValue:
        """Note the request."""
        with self._around("unary"):
            self.notes.append(f">{request.value}")
            response: StringValue = call_next(request, ctx)
            self.notes.append(f"<{response.value}")
            return response

    def intercept_client_stream_sync(self, call_next: Any, request: Any, ctx: Any) -> StringValue:
        """Note each request."""
        with self._around("client stream"):
            response: StringValue = call_next(self._requests_sync(request), ctx)
            self.notes.append(f"<{response.value}")
            return response

    def intercept_server_stream_sync(
        self, call_next: Any, request: StringValue, ctx: Any
    ) -> Iterator[StringValue]:
        """Note each response."""
        with self._around("server stream"):
            self.notes.append(f">{request.value}")
            for response in call_next(request, ctx):
                self.notes.append(f"<{response.value}")
                yield response

    def intercept_bidi_stream_sync(self, call_next: Any, request: Any, ctx: Any) -> Iterator[StringValue]:
        """Note both ways."""
        with self._around("bidi stream"):
            for response in call_next(self._requests_sync(request), ctx):
                self.notes.append(f"<{response.value}")
                yield response


class Marks:
    """A metadata interceptor: notes how each call has ended."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, Code | type[Exception] | None]] = []
        self.cancelled: list[bool] = []
        """What the context of each said then of whether the call was cancelled."""
        self.ended = threading.Semaphore(0)
        """Released for every end."""

    async def on_start(self, ctx: Any) -> str:
        """Give the name of the method."""
        return self.on_start_sync(ctx)

    async def on_end(self, token: str, ctx: Any, error: Exception | None) -> None:
        """Note it."""
        self.on_end_sync(token, ctx, error)

    def on_start_sync(self, ctx: Any) -> str:
        """Give the name of the method."""
        name: str = ctx.method.name
        return name

    def on_end_sync(self, token: str, ctx: Any, error: Exception | None) -> None:
        """Note it."""
        self.cancelled.append(ctx.is_cancelled)
        how = error.code if isinstance(error, ConnectError) else None if error is None else type(error)
        self.ends.append((token, how))
        self.ended.release()


class UnaryOnly:
    """Around unary calls only."""

    async def intercept_unary(self, call_next: Any, request: StringValue, ctx: Any) -> StringValue:
        """Send something else."""
        response: StringValue = await call_next(text(f"{request.value}!"), ctx)
        return response

    def intercept_unary_sync(self, call_next: Any, request: StringValue, ctx: Any) -> StringValue:
        """Send something else."""
        response: StringValue = call_next(text(f"{request.value}!"), ctx)
        return response


class RaisingFrom:
    """Raises before the call, or when its response, or the first of these, has come."""

    def __init__(self, *, before: bool) -> None:
        self._before = before

    def _maybe(self, before: bool) -> None:
        if before is self._before:
            raise OwnError

    async def intercept_unary(self, call_next: Any, request: Any, ctx: Any) -> Any:
        """Raise."""
        self._maybe(before=True)
        await call_next(request, ctx)
        raise OwnError

    intercept_client_stream = intercept_unary

    async def intercept_server_stream(self, call_next: Any, request: Any, ctx: Any) -> AsyncIterator[Any]:
        """Raise."""
        self._maybe(before=True)
        async for response in call_next(request, ctx):
            yield response
            raise OwnError

    intercept_bidi_stream = intercept_server_stream

    def intercept_unary_sync(self, call_next: Any, request: Any, ctx: Any) -> Any:
        """Raise."""
        self._maybe(before=True)
        call_next(request, ctx)
        raise OwnError

    intercept_client_stream_sync = intercept_unary_sync

    def intercept_server_stream_sync(self, call_next: Any, request: Any, ctx: Any) -> Iterator[Any]:
        """Raise."""
        self._maybe(before=True)
        for response in call_next(request, ctx):
            yield response
            raise OwnError

    intercept_bidi_stream_sync = intercept_server_stream_sync


@pytest.fixture
def run(url: str) -> Callable[..., None]:
    """Run a coroutine with an asynchronous client that has these interceptors, in asyncio's debug mode."""

    def run(
        body: AsyncTest,
        *interceptors: Any,
        protocol: ProtocolType = ProtocolType.CONNECT,
        timeout_ms: float = 60_000,
    ) -> None:
        async def main() -> None:
            transport = Transport(http_version="2")
            async with ConnectClient(
                url,
                protocol=protocol,
                transport=transport,
                interceptors=interceptors,
                timeout_ms=timeout_ms,
            ) as client:
                await body(client)
            gc.collect()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if others:
                _, left = await asyncio.wait(others, timeout=10)
                assert not left

        asyncio.run(main(), debug=True)

    return run


@pytest.fixture
def sync_client(url: str) -> Iterator[Callable[..., ConnectClientSync]]:
    """Make blocking clients that have these interceptors."""
    clients: list[ConnectClientSync] = []

    def make(
        *interceptors: Any, protocol: ProtocolType = ProtocolType.CONNECT, url: str = url
    ) -> ConnectClientSync:
        transport = Transport(http_version="2")
        client = ConnectClientSync(
            url, protocol=protocol, transport=transport, interceptors=interceptors, timeout_ms=60_000
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


async def texts(*values: str) -> AsyncIterator[StringValue]:
    """Messages, asynchronously."""
    for value in values:
        yield text(value)


OF_ALL_KINDS = [
    *("unary", ">a", "<a"),
    *("client stream", ">a", ">b", "<a+b"),
    *("client stream", ">c", "<c"),
    *("server stream", ">2", "<0", "<1"),
    *("bidi stream", ">x", "<X"),
    *("bidi stream", ">y", "<Y", ">z", "<Z"),
]

ENDED_WELL = [(name, None) for name in ("Echo", "Sum", "Sum", "Count", "Talk", "Talk")]


# How it goes.


@PROTOCOLS
def test_all_that_goes_in_and_out_passes_through_them(run: Any, protocol: ProtocolType) -> None:
    noting, marks = Noting(), Marks()

    async def body(client: ConnectClient) -> None:
        assert (await client.execute_unary(request=text("a"), method=ECHO)).value == "a"
        assert (await client.execute_client_stream(request=texts("a", "b"), method=SUM)).value == "a+b"
        async with client.execute_client_stream(method=SUM) as summed:
            await summed.send(text("c"))
            assert (await summed.receive()).value == "c"
        counted = client.execute_server_stream(request=text("2"), method=COUNT)
        assert [message.value async for message in counted] == ["0", "1"]
        assert counted.response_trailers["x-tail"] == "2"
        talked = client.execute_bidi_stream(request=texts("x"), method=TALK)
        assert [message.value async for message in talked] == ["X"]
        async with client.execute_bidi_stream(method=TALK) as call:
            for value in ("y", "z"):
                await call.send(text(value))
                assert (await call.receive()).value == value.upper()
            await call.close_send()
            with pytest.raises(EOFError):
                await call.receive()
            with pytest.raises(EOFError):
                await call.send(text("late"))
        assert call.response_trailers["x-tail"] == "talk"

    run(body, marks, noting, protocol=protocol)
    assert noting.notes == OF_ALL_KINDS
    assert marks.ends == ENDED_WELL


@PROTOCOLS
def test_all_that_goes_in_and_out_passes_through_them_sync(sync_client: Any, protocol: ProtocolType) -> None:
    noting, marks = NotingSync(), Marks()
    client = sync_client(marks, noting, protocol=protocol)
    assert client.execute_unary(request=text("a"), method=ECHO).value == "a"
    assert client.execute_client_stream(request=[text("a"), text("b")], method=SUM).value == "a+b"
    with client.execute_client_stream(method=SUM) as summed:
        summed.send(text("c"))
        assert summed.receive().value == "c"
    counted = client.execute_server_stream(request=text("2"), method=COUNT)
    assert [message.value for message in counted] == ["0", "1"]
    assert counted.response_trailers["x-tail"] == "2"
    assert [message.value for message in client.execute_bidi_stream(request=[text("x")], method=TALK)] == [
        "X"
    ]
    with client.execute_bidi_stream(method=TALK) as call:
        for value in ("y", "z"):
            call.send(text(value))
            assert call.receive().value == value.upper()
        call.close_send()
        with pytest.raises(EOFError):
            call.receive()
        with pytest.raises(EOFError):
            call.send(text("late"))
    assert call.response_trailers["x-tail"] == "talk"
    assert noting.notes == OF_ALL_KINDS
    assert marks.ends == ENDED_WELL


def test_those_of_one_kind_leave_the_others_alone(run: Any, sync_client: Any) -> None:
    async def body(client: ConnectClient) -> None:
        assert (await client.execute_unary(request=text("a"), method=ECHO)).value == "a!"
        assert (await client.execute_client_stream(request=texts("a"), method=SUM)).value == "a"
        counted = client.execute_server_stream(request=text("1"), method=COUNT)
        assert [message.value async for message in counted] == ["0"]
        talked = client.execute_bidi_stream(request=texts("x"), method=TALK)
        assert [message.value async for message in talked] == ["X"]

    run(body, UnaryOnly())
    client = sync_client(UnaryOnly())
    assert client.execute_unary(request=text("a"), method=ECHO).value == "a!"
    assert client.execute_client_stream(request=[text("a")], method=SUM).value == "a"
    counted = client.execute_server_stream(request=text("1"), method=COUNT)
    assert [message.value for message in counted] == ["0"]
    talked = client.execute_bidi_stream(request=[text("x")], method=TALK)
    assert [message.value for message in talked] == ["X"]


def test_the_head_of_a_response_comes_before_its_messages(run: Any, sync_client: Any, echo: Echo) -> None:
    async def body(client: ConnectClient) -> None:
        async with client.execute_bidi_stream(method=TALK) as call:
            assert (await call.response_headers())["x-head"] == "talk"
            await call.send(text("a"))
            assert (await call.receive()).value == "A"
        async with client.execute_server_stream(request=text("wait"), method=COUNT) as waiting:
            await waiting.response_headers()
            await asyncio.to_thread(echo.await_waiting)
        await asyncio.to_thread(echo.await_cancelled)

    run(body, Noting())
    client = sync_client(NotingSync())
    with client.execute_bidi_stream(method=TALK) as call:
        assert call.response_headers()["x-head"] == "talk"
        call.send(text("a"))
        assert call.receive().value == "A"
    with client.execute_bidi_stream(request=[text("b")], method=TALK) as call:
        assert call.response_headers()["x-head"] == "talk"
        assert [message.value for message in call] == ["B"]
    with client.execute_server_stream(request=text("wait"), method=COUNT) as waiting:
        waiting.response_headers()
        echo.await_waiting()
    echo.await_cancelled()


def test_one_that_does_without_a_call_answers_in_its_place(run: Any, sync_client: Any) -> None:
    class Answering:
        async def intercept_server_stream(self, _next: Any, request: Any, _ctx: Any) -> AsyncIterator[Any]:
            yield request

        def intercept_server_stream_sync(self, _next: Any, request: Any, _ctx: Any) -> Iterator[Any]:
            yield request

    async def body(client: ConnectClient) -> None:
        async with client.execute_server_stream(request=text("own"), method=COUNT) as call:
            assert [message.value async for message in call] == ["own"]
            assert list(await call.response_headers()) == []

    run(body, Answering())
    with sync_client(Answering()).execute_server_stream(request=text("own"), method=COUNT) as call:
        assert [message.value for message in call] == ["own"]
        assert list(call.response_headers()) == []
    with sync_client(Answering()).execute_server_stream(request=text("own"), method=COUNT) as call:
        assert list(call.response_headers()) == []
        assert [message.value for message in call] == ["own"]


def test_a_call_that_was_answered_is_not_cancelled_to_them(run: Any, sync_client: Any) -> None:
    marks = Marks()

    async def body(client: ConnectClient) -> None:
        await client.execute_unary(request=text("a"), method=ECHO)
        await client.execute_client_stream(request=texts("a"), method=SUM)
        async for _ in client.execute_server_stream(request=text("2"), method=COUNT):
            pass
        async for _ in client.execute_bidi_stream(request=texts("a"), method=TALK):
            pass
        with pytest.raises(ConnectError):
            async for _ in client.execute_server_stream(request=text("no number"), method=COUNT):
                pass

    run(body, marks)
    client = sync_client(marks)
    client.execute_unary(request=text("a"), method=ECHO)
    client.execute_client_stream(request=[text("a")], method=SUM)
    list(client.execute_server_stream(request=text("2"), method=COUNT))
    list(client.execute_bidi_stream(request=[text("a")], method=TALK))
    with pytest.raises(ConnectError):
        list(client.execute_server_stream(request=text("no number"), method=COUNT))
    ends = [("Echo", None), ("Sum", None), ("Count", None), ("Talk", None), ("Count", Code.UNKNOWN)]
    assert marks.ends == ends * 2
    assert marks.cancelled == [False] * 10


def test_a_call_is_cancelled_to_them_from_the_moment_that_it_is(run: Any, sync_client: Any) -> None:
    said: list[bool] = []

    class Watching:
        async def intercept_server_stream(self, call_next: Any, request: Any, ctx: Any) -> AsyncIterator[Any]:
            try:
                async for response in call_next(request, ctx):
                    said.append(ctx.is_cancelled)
                    yield response
            finally:
                said.append(ctx.is_cancelled)

        def intercept_server_stream_sync(self, call_next: Any, request: Any, ctx: Any) -> Iterator[Any]:
            try:
                for response in call_next(request, ctx):
                    said.append(ctx.is_cancelled)
                    yield response
            finally:
                said.append(ctx.is_cancelled)

    async def body(client: ConnectClient) -> None:
        async with client.execute_server_stream(request=text("100000000"), method=COUNT) as call:
            await call.receive()

    run(body, Watching())
    # Those of the asynchronous client are a message ahead, or two.
    assert (said[0], set(said[1:-1]) <= {False}, said[-1]) == (False, True, True)
    said.clear()
    with sync_client(Watching()).execute_server_stream(request=text("100000000"), method=COUNT) as call:
        call.receive()
    assert said == [False, True]


# Left early.


async def _send_for_ever(call: Any) -> None:
    while True:
        await call.send(text("a"))


def _send_for_ever_sync(call: Any) -> None:
    while True:
        call.send(text("a"))


@PROTOCOLS
def test_a_break_leaves_them_and_cancels_the_call(run: Any, echo: Echo, protocol: ProtocolType) -> None:
    noting, marks = Noting(), Marks()

    async def endless() -> AsyncIterator[StringValue]:
        yield text("a")
        while True:
            yield text("wait")
            await asyncio.sleep(0)

    async def left() -> None:
        await asyncio.to_thread(echo.await_cancelled)
        assert await asyncio.to_thread(noting.left.acquire, timeout=20)
        assert await asyncio.to_thread(marks.ended.acquire, timeout=20)

    async def body(client: ConnectClient) -> None:
        async for _ in client.execute_server_stream(request=text("100000000"), method=COUNT):
            break
        await left()
        async for _ in client.execute_bidi_stream(request=endless(), method=TALK):
            break
        await left()
        async with client.execute_bidi_stream(method=TALK) as call:
            await call.send(text("a"))
            await call.receive()
        await left()

    run(body, marks, noting, protocol=protocol)
    assert marks.ends == [("Count", Code.CANCELED), ("Talk", Code.CANCELED), ("Talk", Code.CANCELED)]
    assert marks.cancelled == [True] * 3


@PROTOCOLS
def test_a_break_leaves_them_and_cancels_the_call_sync(
    sync_client: Any, echo: Echo, protocol: ProtocolType
) -> None:
    noting, marks = NotingSync(), Marks()
    client = sync_client(marks, noting, protocol=protocol)

    def endless() -> Iterator[StringValue]:
        yield text("a")
        while True:
            yield text("wait")

    def left() -> None:
        echo.await_cancelled()
        assert noting.left.acquire(timeout=20)
        assert marks.ended.acquire(timeout=20)

    for _ in client.execute_server_stream(request=text("100000000"), method=COUNT):
        break
    left()
    for _ in client.execute_bidi_stream(request=endless(), method=TALK):
        break
    left()
    with client.execute_bidi_stream(method=TALK) as call:
        call.send(text("a"))
        call.receive()
    left()
    assert marks.ends == [("Count", Code.CANCELED), ("Talk", Code.CANCELED), ("Talk", Code.CANCELED)]
    assert marks.cancelled == [True] * 3


def test_a_block_that_is_left_with_messages_unread_leaves_nothing_behind(run: Any, sync_client: Any) -> None:
    # Nobody takes what the interceptors have, and what is sent fills every place there is.
    async def body(client: ConnectClient) -> None:
        async with client.execute_bidi_stream(method=TALK) as call:
            for _ in range(20):
                await call.send(text("a"))
            await call.receive()
        async with client.execute_server_stream(request=text("1000"), method=COUNT) as counted:
            await counted.response_headers()

    run(body, Noting())
    client = sync_client(NotingSync())
    with client.execute_bidi_stream(method=TALK) as call:
        for _ in range(20):
            call.send(text("a"))
        call.receive()
    with client.execute_server_stream(request=text("1000"), method=COUNT) as counted:
        counted.response_headers()


def test_a_server_that_has_ended_takes_no_more_messages(run: Any, sync_client: Any) -> None:
    async def body(client: ConnectClient) -> None:
        async with client.execute_bidi_stream(method=TALK) as call:
            await call.send(text("bye"))
            with pytest.raises(EOFError):
                await call.receive()
            with pytest.raises(EOFError):
                await _send_for_ever(call)

    run(body, Noting())
    with sync_client(NotingSync()).execute_bidi_stream(method=TALK) as call:
        call.send(text("bye"))
        with pytest.raises(EOFError):
            call.receive()
        with pytest.raises(EOFError):
            _send_for_ever_sync(call)


# What they raise.


BEFORE_AND_AFTER = pytest.mark.parametrize(
    "before", [True, False], ids=["before the call", "after its first response"]
)


@BEFORE_AND_AFTER
def test_what_they_raise_reaches_the_caller_and_cancels_the_call(run: Any, echo: Echo, before: bool) -> None:
    marks = Marks()

    async def take(stream: Any) -> None:
        async for _ in stream:
            pass

    async def summed_one_by_one(client: ConnectClient) -> None:
        async with client.execute_client_stream(method=SUM) as call:
            await call.receive()

    async def talked_one_by_one(client: ConnectClient) -> None:
        async with client.execute_bidi_stream(method=TALK) as call:
            await call.send(text("a"))
            await take(call)

    async def body(client: ConnectClient) -> None:
        for call in (
            client.execute_unary(request=text("a"), method=ECHO),
            client.execute_client_stream(request=texts("a"), method=SUM),
            take(client.execute_server_stream(request=text("100000000"), method=COUNT)),
            take(client.execute_bidi_stream(request=texts("a", "wait"), method=TALK)),
            summed_one_by_one(client),
            talked_one_by_one(client),
        ):
            with pytest.raises(OwnError):
                await call
        if not before:
            for _ in range(3):
                await asyncio.to_thread(echo.await_cancelled)

    run(body, marks, RaisingFrom(before=before))
    assert marks.ends == [(name, OwnError) for name in ("Echo", "Sum", "Count", "Talk", "Sum", "Talk")]


@BEFORE_AND_AFTER
def test_what_they_raise_reaches_the_caller_and_cancels_the_call_sync(
    sync_client: Any, echo: Echo, before: bool
) -> None:
    marks = Marks()
    client = sync_client(marks, RaisingFrom(before=before))

    def summed_one_by_one() -> None:
        with client.execute_client_stream(method=SUM) as call:
            call.receive()

    def talked_one_by_one() -> None:
        with client.execute_bidi_stream(method=TALK) as call:
            call.send(text("a"))
            list(call)

    for call in (
        lambda: client.execute_unary(request=text("a"), method=ECHO),
        lambda: client.execute_client_stream(request=[text("a")], method=SUM),
        lambda: list(client.execute_server_stream(request=text("100000000"), method=COUNT)),
        lambda: list(client.execute_bidi_stream(request=[text("a"), text("wait")], method=TALK)),
        summed_one_by_one,
        talked_one_by_one,
    ):
        with pytest.raises(OwnError):
            call()
    if not before:
        for _ in range(3):
            echo.await_cancelled()
    assert marks.ends == [(name, OwnError) for name in ("Echo", "Sum", "Count", "Talk", "Sum", "Talk")]


# Cancelled.


async def _unary(client: ConnectClient) -> None:
    await client.execute_unary(request=text("wait"), method=ECHO)


async def _client_stream(client: ConnectClient) -> None:
    await client.execute_client_stream(request=texts("wait"), method=SUM)


async def _client_stream_one_by_one(client: ConnectClient) -> None:
    async with client.execute_client_stream(method=SUM) as call:
        await call.send(text("wait"))
        await call.receive()


async def _server_stream(client: ConnectClient) -> None:
    async for _ in client.execute_server_stream(request=text("wait"), method=COUNT):
        pass


async def _bidi_stream(client: ConnectClient) -> None:
    async for _ in client.execute_bidi_stream(request=texts("wait"), method=TALK):
        pass


async def _bidi_stream_one_by_one(client: ConnectClient) -> None:
    async with client.execute_bidi_stream(method=TALK) as call:
        await call.send(text("wait"))
        await call.receive()


CALLS_THAT_WAIT = pytest.mark.parametrize(
    "call",
    [
        _unary,
        _client_stream,
        _client_stream_one_by_one,
        _server_stream,
        _bidi_stream,
        _bidi_stream_one_by_one,
    ],
    ids=lambda call: call.__name__.strip("_"),
)


@CALLS_THAT_WAIT
def test_a_call_that_is_given_up_with_its_task_leaves_them(run: Any, echo: Echo, call: Any) -> None:
    noting, marks = Noting(), Marks()

    async def body(client: ConnectClient) -> None:
        task = asyncio.create_task(call(client))
        await asyncio.to_thread(echo.await_waiting)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(echo.await_cancelled)
        assert await asyncio.to_thread(noting.left.acquire, timeout=20)
        assert await asyncio.to_thread(marks.ended.acquire, timeout=20)

    run(body, marks, noting)
    assert [end for _, end in marks.ends] == [Code.CANCELED]
    assert marks.cancelled == [True]


def test_a_stream_that_another_thread_gives_up_leaves_them(run: Any, echo: Echo) -> None:
    noting, marks = Noting(), Marks()

    async def body(client: ConnectClient) -> None:
        call = client.execute_server_stream(request=text("wait"), method=COUNT)
        receiving = asyncio.create_task(call.receive())
        await asyncio.to_thread(echo.await_waiting)
        await asyncio.to_thread(call.cancel)
        with pytest.raises(ConnectError) as cancelled:
            await receiving
        assert cancelled.value.code is Code.CANCELED
        await asyncio.to_thread(echo.await_cancelled)

    run(body, marks, noting)
    assert [end for _, end in marks.ends] == [Code.CANCELED]
    assert marks.cancelled == [True]


@CALLS_THAT_WAIT
def test_a_call_within_a_timeout_of_asyncio_leaves_them(run: Any, echo: Echo, call: Any) -> None:
    noting = Noting()

    async def body(client: ConnectClient) -> None:
        async def in_time() -> None:
            async with asyncio.timeout(None) as limit:
                limits.set_result(limit)
                await call(client)

        limits: asyncio.Future[asyncio.Timeout] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(in_time())
        await asyncio.to_thread(echo.await_waiting)
        (await limits).reschedule(0)
        with pytest.raises(TimeoutError):
            await task
        await asyncio.to_thread(echo.await_cancelled)
        assert await asyncio.to_thread(noting.left.acquire, timeout=20)

    run(body, noting)


@CALLS_THAT_WAIT
def test_a_call_past_its_deadline_leaves_them(run: Any, echo: Echo, call: Any) -> None:
    marks = Marks()

    async def body(client: ConnectClient) -> None:
        with pytest.raises(ConnectError) as late:
            await call(client)
        assert late.value.code is Code.DEADLINE_EXCEEDED
        await asyncio.to_thread(echo.await_cancelled)

    run(body, marks, Noting(), timeout_ms=500)
    assert [end for _, end in marks.ends] == [Code.DEADLINE_EXCEEDED]
    assert marks.cancelled == [True]


def test_a_call_past_its_deadline_leaves_them_sync(sync_client: Any, echo: Echo) -> None:
    marks = Marks()
    client = sync_client(marks, NotingSync())
    for call in (
        lambda: client.execute_unary(request=text("wait"), method=ECHO, timeout_ms=300),
        lambda: list(client.execute_server_stream(request=text("wait"), method=COUNT, timeout_ms=300)),
    ):
        with pytest.raises(ConnectError) as late:
            call()
        assert late.value.code is Code.DEADLINE_EXCEEDED
        echo.await_cancelled()
    assert marks.cancelled == [True, True]


def test_a_deadline_of_the_servers_own_is_an_answer_to_them(serve: Any, sync_client: Any) -> None:
    def fail(_request: Any, _ctx: Any) -> StringValue:
        raise ConnectError(Code.DEADLINE_EXCEEDED, "the database did not answer in time")

    marks = Marks()
    port = serve(SyncEcho(unary(fail)))
    client = sync_client(marks, url=f"http://127.0.0.1:{port}")
    with pytest.raises(ConnectError):
        client.execute_unary(request=text("a"), method=ECHO)
    assert marks.ends == [("Echo", Code.DEADLINE_EXCEEDED)]
    assert marks.cancelled == [False]


def test_cancelling_the_wait_for_a_message_loses_nothing(run: Any) -> None:
    async def body(client: ConnectClient) -> None:
        async with client.execute_bidi_stream(method=TALK) as call:
            waiting = asyncio.create_task(call.receive())
            await call.response_headers()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await call.send(text("a"))
            assert (await call.receive()).value == "A"

    run(body, Marks(), Noting())


def test_a_task_that_waits_is_told_when_another_leaves_the_call(run: Any, echo: Echo) -> None:
    async def body(client: ConnectClient) -> None:
        async with client.execute_server_stream(request=text("wait"), method=COUNT) as call:
            waiting = asyncio.create_task(call.receive())
            await asyncio.to_thread(echo.await_waiting)
        with pytest.raises(ConnectError) as cancelled:
            await waiting
        assert cancelled.value.code is Code.CANCELED
        await asyncio.to_thread(echo.await_cancelled)

    run(body, Marks(), Noting())


def test_one_that_waits_before_the_call_is_given_up_with_it(run: Any) -> None:
    waits = asyncio.Event()

    class Waiting:
        async def intercept_bidi_stream(self, _next: Any, _request: Any, _ctx: Any) -> AsyncIterator[Any]:
            waits.set()
            await asyncio.Event().wait()
            yield None

    async def body(client: ConnectClient) -> None:
        async with client.execute_bidi_stream(method=TALK) as call:
            receiving = asyncio.create_task(call.receive())
            sending = asyncio.create_task(call.send(text("a")))
            await waits.wait()
            await sending
            sending = asyncio.create_task(call.send(text("b")))
            await asyncio.sleep(0)
        for waiting in (receiving, sending):
            with pytest.raises(ConnectError) as cancelled:
                await waiting
            assert cancelled.value.code is Code.CANCELED

    run(body, Waiting())


def _unary_sync(client: ConnectClientSync) -> None:
    client.execute_unary(request=text("wait"), method=ECHO)


def _client_stream_sync(client: ConnectClientSync) -> None:
    client.execute_client_stream(request=[text("wait")], method=SUM)


def _client_stream_one_by_one_sync(client: ConnectClientSync) -> None:
    with client.execute_client_stream(method=SUM) as call:
        call.send(text("wait"))
        call.receive()


def _server_stream_sync(client: ConnectClientSync) -> None:
    list(client.execute_server_stream(request=text("wait"), method=COUNT))


def _bidi_stream_sync(client: ConnectClientSync) -> None:
    list(client.execute_bidi_stream(request=[text("wait")], method=TALK))


def _bidi_stream_one_by_one_sync(client: ConnectClientSync) -> None:
    with client.execute_bidi_stream(method=TALK) as call:
        call.send(text("wait"))
        call.receive()


@pytest.mark.parametrize(
    "call",
    [
        _unary_sync,
        _client_stream_sync,
        _client_stream_one_by_one_sync,
        _server_stream_sync,
        _bidi_stream_sync,
        _bidi_stream_one_by_one_sync,
    ],
    ids=lambda call: call.__name__.strip("_").removesuffix("_sync"),
)
def test_a_call_that_another_thread_gives_up_leaves_them(sync_client: Any, echo: Echo, call: Any) -> None:
    noting, marks = NotingSync(), Marks()
    client = sync_client(marks, noting)
    with Cancellation() as cancellation:

        def give_up() -> None:
            echo.await_waiting()
            cancellation.cancel()

        thread = threading.Thread(target=give_up)
        thread.start()
        with pytest.raises(ConnectError) as cancelled:
            call(client)
        thread.join()
    assert cancelled.value.code is Code.CANCELED
    echo.await_cancelled()
    assert noting.left.acquire(timeout=20)
    assert marks.ended.acquire(timeout=20)
    assert [end for _, end in marks.ends] == [Code.CANCELED]
    assert marks.cancelled == [True]


@pytest.mark.parametrize("leave", ["cancel", "close"])
def test_a_thread_that_waits_is_told_when_another_leaves_the_call(
    sync_client: Any, echo: Echo, leave: str
) -> None:
    client = sync_client(Marks(), NotingSync())

    def told(call: Any) -> None:
        def give_up() -> None:
            echo.await_waiting()
            getattr(call, leave)()

        thread = threading.Thread(target=give_up)
        thread.start()
        with pytest.raises(ConnectError) as cancelled:
            call.receive()
        assert cancelled.value.code is Code.CANCELED
        thread.join()
        echo.await_cancelled()

    told(client.execute_server_stream(request=text("wait"), method=COUNT))
    told(client.execute_bidi_stream(request=[text("wait")], method=TALK))
    with client.execute_bidi_stream(method=TALK) as call:
        call.send(text("wait"))
        told(call)


def test_a_call_is_cancelled_to_them_when_its_time_is_over_whoever_set_it(url: str, closed_port: int) -> None:
    said: list[tuple[Code, bool]] = []

    class Watching:
        def intercept_unary_sync(self, call_next: Any, request: Any, ctx: Any) -> Any:
            try:
                return call_next(request, ctx)
            except ConnectError as error:
                said.append((error.code, ctx.is_cancelled))
                raise

    class Persistent:
        def intercept_unary_sync(self, call_next: Any, request: Any, ctx: Any) -> Any:
            while not ctx.is_cancelled:
                with suppress(ConnectError):
                    return call_next(request, ctx)
            raise ConnectError(Code.ABORTED, "the time is over")

    config = {"methodConfig": [{"name": [{}], "timeout": "0.05s"}]}
    transport = Transport(service_config=config)
    with (
        ConnectClientSync(url, transport=transport, interceptors=[Watching()]) as client,
        pytest.raises(ConnectError),
    ):
        client.execute_unary(request=text("wait"), method=ECHO, timeout_ms=20_000)
    assert said == [(Code.DEADLINE_EXCEEDED, True)]
    # That nobody listens is no answer.
    nobody = f"http://127.0.0.1:{closed_port}"
    with (
        ConnectClientSync(nobody, interceptors=[Persistent()]) as client,
        pytest.raises(ConnectError, match="the time is over"),
    ):
        client.execute_unary(request=text("hi"), method=ECHO, timeout_ms=100)


def test_a_context_that_is_kept_keeps_nothing_of_a_stream_that_was_left(url: str) -> None:
    kept: list[Any] = []

    class Keeping:
        def intercept_server_stream_sync(self, call_next: Any, request: Any, ctx: Any) -> Iterator[Any]:
            kept.append(ctx)
            yield from call_next(request, ctx)

    with (
        ConnectClientSync(url, transport=Transport(), interceptors=[Keeping()]) as client,
        client.execute_server_stream(request=text("100000000"), method=COUNT) as call,
    ):
        call.receive()
    until_none_is_left = time.monotonic() + 20
    while [*named("landbridge-calls")]:
        assert time.monotonic() < until_none_is_left
        time.sleep(0.002)
    assert kept[0].is_cancelled
