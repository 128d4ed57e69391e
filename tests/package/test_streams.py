"""Streams: back-pressure both ways, half-close, and what happens to a handler whose caller stops waiting."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
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
from tests.package.echo import SERVICE, AsyncEcho, SyncEcho, stub, text, unary

Channel = Callable[[int], grpc.Channel]
Context = RequestContext[Any, Any]

MESSAGE = 10_000
"""Bytes."""
MESSAGES = 4_000
"""Forty megabytes."""
HELD = 2_000
"""Messages that all buffers between the two may hold: those of the sockets, and a few."""

STREAM = {"content-type": "application/connect+proto"}


async def echo(request: StringValue, _ctx: Context) -> StringValue:
    """Answer with the request."""
    return request


def others_go_on(url: str) -> None:
    """Make other calls, which gives what floods the time to come to where it has to wait."""
    for _ in range(50):
        assert httpx.post(f"{url}/Echo", json="b").json() == "b"


@pytest.mark.parametrize("application", [AsyncEcho, SyncEcho])
@pytest.mark.parametrize("http2", [False, True])
def test_a_slow_reader_suspends_the_handler(application: Any, http2: bool, serve: Serve) -> None:
    given = 0

    def flood(_request: StringValue, _ctx: Context) -> Iterator[StringValue]:
        nonlocal given
        for _ in range(MESSAGES):
            given += 1
            yield text("x" * MESSAGE)

    async def flood_async(request: StringValue, ctx: Context) -> AsyncIterator[StringValue]:
        for message in flood(request, ctx):
            yield message

    handler = flood_async if application is AsyncEcho else flood
    flooding = application({"Flood": (StreamType.SERVER_STREAM, handler)})
    port = serve(flooding, AsyncEcho(unary(echo)))
    url = f"http://127.0.0.1:{port}/{SERVICE}"
    with (
        httpx.Client(http1=not http2, http2=http2, timeout=30) as client,
        client.stream("POST", f"{url}/Flood", content=b"\0\0\0\0\0", headers=STREAM) as unread,
    ):
        assert unread.status_code == 200
        others_go_on(url)
        assert given < HELD
        # And goes on where the reader does.
        read = sum(len(piece) for piece in unread.iter_raw())
    assert given == MESSAGES
    assert read > MESSAGES * MESSAGE


@pytest.mark.parametrize("application", [AsyncEcho, SyncEcho])
def test_a_slow_handler_suspends_the_sender(application: Any, serve: Serve) -> None:
    go_on = threading.Event()
    sent = 0

    def count(requests: Iterator[StringValue], _ctx: Context) -> StringValue:
        go_on.wait(30)
        return text(str(sum(1 for _ in requests)))

    async def count_async(requests: AsyncIterator[StringValue], _ctx: Context) -> StringValue:
        await asyncio.to_thread(go_on.wait, 30)
        number = 0
        async for _ in requests:
            number += 1
        return text(str(number))

    slow = application(
        {"Count": (StreamType.CLIENT_STREAM, count_async if application is AsyncEcho else count)}
    )
    port = serve(slow, AsyncEcho(unary(echo)))
    message = text("x" * MESSAGE).SerializeToString()
    envelope = b"\0" + len(message).to_bytes(4, "big") + message

    def content() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(MESSAGES):
            sent += 1
            yield envelope

    url = f"http://127.0.0.1:{port}/{SERVICE}"
    answers: list[bytes] = []

    def call() -> None:
        answers.append(httpx.post(f"{url}/Count", content=content(), headers=STREAM, timeout=60).content)

    calling = threading.Thread(target=call)
    calling.start()
    others_go_on(url)
    assert 0 < sent < HELD
    go_on.set()
    calling.join()
    assert str(MESSAGES).encode() in answers[0]


def test_thousands_of_tiny_messages_survive_a_reader_who_rests(serve: Serve, channel: Channel) -> None:
    async def count(_request: StringValue, _ctx: Context) -> AsyncIterator[StringValue]:
        for number in range(20_000):
            yield text(str(number))

    port = serve(AsyncEcho({"Count": (StreamType.SERVER_STREAM, count), "Echo": (StreamType.UNARY, echo)}))
    numbers = stub(channel(port), "Count", "unary_stream")(text(""))
    assert next(numbers).value == "0"
    others_go_on(f"http://127.0.0.1:{port}/{SERVICE}")
    assert [message.value for message in numbers] == [str(number) for number in range(1, 20_000)]


def test_a_stream_that_never_has_to_wait_leaves_turns_to_others(serve: Serve) -> None:
    given = 0
    shares: list[int] = []
    is_over = False

    async def flood(_request: StringValue, _ctx: Context) -> AsyncIterator[StringValue]:
        nonlocal given
        while not is_over:
            # Nothing in here waits, and the reader keeps pace.
            given += 1
            yield text("")

    async def other(request: StringValue, _ctx: Context) -> StringValue:
        nonlocal is_over
        while sum(shares) < 2_000:
            before = given
            await asyncio.sleep(0)
            shares.append(given - before)
        is_over = True
        return request

    methods = {"Flood": (StreamType.SERVER_STREAM, flood), "Other": (StreamType.UNARY, other)}
    url = f"http://127.0.0.1:{serve(AsyncEcho(methods))}/{SERVICE}"

    def read() -> None:
        assert httpx.post(f"{url}/Flood", content=b"\0\0\0\0\0", headers=STREAM, timeout=60).is_success

    reading = threading.Thread(target=read)
    reading.start()
    assert httpx.post(f"{url}/Other", json="a", timeout=60).json() == "a"
    reading.join()
    # So many messages are sent at most between two turns of another task.
    assert max(shares) <= 32


@pytest.mark.parametrize("application", [AsyncEcho, SyncEcho])
def test_both_directions_are_open_at_once(application: Any, serve: Serve, channel: Channel) -> None:
    def back(requests: Iterator[StringValue], _ctx: Context) -> Iterator[StringValue]:
        for request in requests:
            yield text(f"you said {request.value}")
        yield text("bye")

    async def back_async(requests: AsyncIterator[StringValue], _ctx: Context) -> AsyncIterator[StringValue]:
        async for request in requests:
            yield text(f"you said {request.value}")
        yield text("bye")

    handler = back_async if application is AsyncEcho else back
    said: list[str] = []
    answered = threading.Event()

    def requests() -> Iterator[StringValue]:
        for word in ("one", "two"):
            answered.clear()
            yield text(word)
            # The second is sent once the first is answered: the call is half-open all the time.
            assert answered.wait(10)

    port = serve(application({"Back": (StreamType.BIDI_STREAM, handler)}))
    for message in stub(channel(port), "Back", "stream_stream")(requests()):
        said.append(message.value)
        answered.set()
    assert said == ["you said one", "you said two", "bye"]


def test_an_answer_may_end_before_its_request(serve: Serve, channel: Channel) -> None:
    async def first(requests: AsyncIterator[StringValue], _ctx: Context) -> StringValue:
        return await anext(requests)

    over = threading.Event()

    def requests() -> Iterator[StringValue]:
        yield text("a")
        over.wait(10)

    calls = stub(
        channel(serve(AsyncEcho({"First": (StreamType.CLIENT_STREAM, first)}))), "First", "stream_unary"
    )
    assert calls(requests()).value == "a"
    over.set()


@pytest.mark.parametrize("passed", ["deadline", "caller"])
def test_a_blocking_handler_that_sends_or_receives_too_late_is_told(passed: str, serve: Serve) -> None:
    began, over = threading.Event(), threading.Event()
    told: list[tuple[str, Any]] = []

    def receive(requests: Iterator[StringValue], ctx: Context) -> Iterator[StringValue]:
        assert next(requests).value == ""
        began.set()
        try:
            next(requests)
        except ConnectError as error:
            told.append(("receive", error.code))
        yield from ()
        try:
            ctx.send_headers()
        except ConnectError as error:
            told.append(("send", error.code))
        told.append(("cancelled", ctx.is_cancelled))
        over.set()

    port = serve(SyncEcho({"Back": (StreamType.BIDI_STREAM, receive)}))
    timeout = "connect-timeout-ms: 100\r\n" if passed == "deadline" else ""
    with begun_stream(port, timeout) as connection:
        assert began.wait(10)
        if passed == "caller":
            connection.close()
        assert over.wait(10)
    code = Code.DEADLINE_EXCEEDED if passed == "deadline" else Code.CANCELED
    assert told == [("receive", code), ("send", code), ("cancelled", True)]


def begun_stream(port: int, headers: str = "") -> socket.socket:
    """A connection with a call of `Back` on it, whose request goes on after one message."""
    connection = socket.create_connection(("127.0.0.1", port))
    head = f"POST /{SERVICE}/Back HTTP/1.1\r\nhost: x\r\n{headers}content-type: application/connect+proto\r\n"
    connection.sendall(head.encode() + b"transfer-encoding: chunked\r\n\r\n5\r\n\0\0\0\0\0\r\n")
    return connection


def test_a_blocking_handler_that_waits_for_a_slow_reader_ends_when_that_one_leaves(serve: Serve) -> None:
    closed = threading.Event()

    def flood(_request: StringValue, _ctx: Context) -> Iterator[StringValue]:
        try:
            while True:
                yield text("x" * MESSAGE)
        finally:
            closed.set()

    port = serve(SyncEcho({"Flood": (StreamType.SERVER_STREAM, flood)}), threads=1)
    url = f"http://127.0.0.1:{port}/{SERVICE}/Flood"
    # One thread serves both: the second only where the first has given it back.
    for _ in range(2):
        with httpx.stream("POST", url, content=b"\0\0\0\0\0", headers=STREAM) as unread:
            assert unread.status_code == 200
        assert closed.wait(10)
        closed.clear()


@pytest.mark.parametrize("application", [AsyncEcho, SyncEcho])
@pytest.mark.parametrize("waits", [True, False])
def test_a_blocking_generator_is_closed_where_it_yields_to_a_caller_who_is_gone(
    application: Any, waits: bool, serve: Serve
) -> None:
    seen: list[type[BaseException]] = []
    began, over = threading.Event(), threading.Event()

    def flood(_requests: Iterator[StringValue], ctx: Context) -> Iterator[StringValue]:
        try:
            yield text("first")
            began.set()
            while not waits and not ctx.is_cancelled:
                time.sleep(0.01)
            while True:
                yield text("x" * MESSAGE)
        except BaseException as raised:
            seen.append(type(raised))
            raise
        finally:
            over.set()

    port = serve(application({"Back": (StreamType.BIDI_STREAM, flood)}))
    with begun_stream(port):
        assert began.wait(10)
    assert over.wait(10)
    assert seen == [GeneratorExit]


@pytest.mark.parametrize("how", ["reset", "connection"])
def test_a_stream_whose_caller_goes_away_is_cancelled_and_its_generators_closed(
    how: str, serve: Serve, channel: Channel
) -> None:
    ended: list[str] = []
    over = threading.Event()

    async def back(requests: AsyncIterator[StringValue], ctx: Context) -> AsyncIterator[StringValue]:
        ctx.on_done(over.set)
        try:
            async for request in requests:
                yield request
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        finally:
            ended.append("closed")

    port = serve(AsyncEcho({"Back": (StreamType.BIDI_STREAM, back), "Echo": (StreamType.UNARY, echo)}))
    if how == "connection":
        with begun_stream(port) as connection:
            # Its head: the handler has begun. Another answer: it has come to where it waits.
            assert b"200" in connection.recv(1024)
            assert httpx.post(f"http://127.0.0.1:{port}/{SERVICE}/Echo", json="a").json() == "a"
    else:
        held = threading.Event()

        def requests() -> Iterator[StringValue]:
            yield text("a")
            held.wait(10)

        call = stub(channel(port), "Back", "stream_stream")(requests())
        assert next(call).value == "a"
        assert stub(channel(port))(text("a")).value == "a"
        call.cancel()
        held.set()
    assert over.wait(10)
    assert ended == ["cancelled", "closed"]


def test_cancellation_inside_a_handler_is_asyncios_own(serve: Serve, channel: Channel) -> None:
    async def impatient(_request: StringValue, _ctx: Context) -> StringValue:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            return text("timed out")
        raise AssertionError("it did not time out")

    async def cancelling(_request: StringValue, _ctx: Context) -> StringValue:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(10)
        raise AssertionError("it was not cancelled")

    async def gathering(request: StringValue, _ctx: Context) -> StringValue:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0, letter)) for letter in request.value]
        return text("".join(task.result() for task in tasks))

    kinds = {"Impatient": impatient, "Cancelling": cancelling, "Gathering": gathering}
    calls = channel(
        serve(AsyncEcho({name: (StreamType.UNARY, function) for name, function in kinds.items()}))
    )
    assert stub(calls, "Impatient")(text("")).value == "timed out"
    assert stub(calls, "Gathering")(text("abc")).value == "abc"
    with pytest.raises(grpc.RpcError) as caught:
        stub(calls, "Cancelling")(text(""))
    error: Any = caught.value
    assert (error.code(), error.details()) == (grpc.StatusCode.CANCELLED, "the handler was cancelled")


def test_a_request_that_is_not_read_to_its_end_leaves_nothing_behind(serve: Serve, channel: Channel) -> None:
    closed: list[Any] = []

    async def ignore(requests: AsyncIterator[StringValue], _ctx: Context) -> StringValue:
        closed.append(requests)
        async for request in requests:
            return request
        return text("nothing came")

    calls = stub(
        channel(serve(AsyncEcho({"Sum": (StreamType.CLIENT_STREAM, ignore)}))), "Sum", "stream_unary"
    )
    assert calls(iter([text("a"), text("b")])).value == "a"
    assert calls(iter([])).value == "nothing came"

    async def more(requests: Any) -> None:
        with contextlib.suppress(StopAsyncIteration):
            await anext(requests)
            raise AssertionError("it was closed")

    for requests in closed:
        asyncio.run(more(requests))
