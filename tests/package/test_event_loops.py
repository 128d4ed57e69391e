"""Where handlers run: event loops of every kind, several in one process, threads beside them."""

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import grpc
import httpx
import pytest
import uvloop
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.method import StreamType
from landbridge.request import RequestContext
from landbridge.serving import Server, ServerSync

from tests.package.conftest import Serve
from tests.package.echo import SERVICE, AsyncEcho, SyncEcho, stub, text, unary

Channel = Callable[[int], grpc.Channel]
Context = RequestContext[Any, Any]


async def echo(request: StringValue, _ctx: Context) -> StringValue:
    """Answer with the request."""
    return request


async def asked(port: int, value: str) -> str:
    """What a server answers to one call."""
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"http://127.0.0.1:{port}/{SERVICE}/Echo", json=value)
        return str(answer.json())


async def each_back(requests: AsyncIterator[StringValue], _ctx: Context) -> AsyncIterator[StringValue]:
    """Answer each request by itself."""
    async for request in requests:
        yield request


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("debug", [False, True])
def test_handlers_run_in_the_loop_that_the_server_was_started_in(run: Any, debug: bool) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def look(request: StringValue, _ctx: Context) -> StringValue:
            await asyncio.sleep(0)
            return text(f"{request.value} {asyncio.get_running_loop() is loop}")

        methods: dict[str, Any] = {
            "Echo": (StreamType.UNARY, look),
            "Each": (StreamType.BIDI_STREAM, each_back),
        }
        async with Server(AsyncEcho(methods), port=0) as server:
            assert await asyncio.gather(*(asked(server.port, str(number)) for number in range(20))) == [
                f"{number} True" for number in range(20)
            ]
            channel: Any = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
            async with channel:
                call = stub(channel, "Each", "stream_stream")(iter([text("a"), text("b")]))
                assert [message.value async for message in call] == ["a", "b"]

    run(main(), debug=debug)


def test_several_servers_run_in_one_loop() -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            servers = [
                await stack.enter_async_context(Server(AsyncEcho(unary(echo)), port=0)) for _ in range(3)
            ]
            answers = await asyncio.gather(*(asked(server.port, "a") for server in servers * 5))
            assert answers == ["a"] * 15

    asyncio.run(main())


def test_several_loops_in_one_process_each_have_servers_of_their_own() -> None:
    everybody_serves = threading.Barrier(4, timeout=30)

    async def main(name: str) -> str:
        async def look(_request: StringValue, _ctx: Context) -> StringValue:
            return text(f"{name} in {threading.current_thread().name}")

        async with Server(AsyncEcho(unary(look)), port=0) as server:
            await asyncio.to_thread(everybody_serves.wait)
            answer = await asked(server.port, "?")
            await asyncio.to_thread(everybody_serves.wait)
            return answer

    answers: dict[str, str] = {}

    def work(name: str) -> None:
        answers[name] = asyncio.run(main(name))

    names = "abcd"
    threads = [threading.Thread(target=work, args=(name,), name=f"loop-{name}") for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {name: f"{name} in loop-{name}" for name in names}


def test_a_process_may_serve_in_one_loop_after_another() -> None:
    async def main() -> str:
        async with Server(AsyncEcho(unary(echo)), port=0) as server:
            return await asked(server.port, "a")

    assert [asyncio.run(main()) for _ in range(3)] == ["a"] * 3


def test_outside_of_an_event_loop_a_server_says_what_it_needs() -> None:
    trio = pytest.importorskip("trio")
    with pytest.raises(RuntimeError, match="event loop of asyncio; elsewhere, ServerSync"):
        trio.run(Server(AsyncEcho(unary(echo)), port=0).start)


def test_a_server_is_started_once() -> None:
    server = ServerSync(AsyncEcho(unary(echo)), port=0)
    with server, pytest.raises(RuntimeError, match="a server is started once"):
        server.start()


def single(request: StringValue, _ctx: Context) -> StringValue:
    """Block."""
    return text(f"{request.value} {threading.current_thread() is loop_thread()}")


def summed(requests: Iterator[StringValue], _ctx: Context) -> StringValue:
    """Block on each request."""
    return text("".join(request.value for request in requests))


def counted(request: StringValue, _ctx: Context) -> Iterator[StringValue]:
    """Block on each response."""
    yield from (text(letter) for letter in request.value)


def back(requests: Iterator[StringValue], _ctx: Context) -> Iterator[StringValue]:
    """Block on both."""
    yield from requests


def loop_thread() -> threading.Thread | None:
    """The thread of the server's loop."""
    return next((thread for thread in threading.enumerate() if thread.name == "landbridge-server"), None)


def test_blocking_handlers_in_an_asynchronous_application_run_on_threads(
    serve: Serve, channel: Channel
) -> None:
    port = serve(
        AsyncEcho(
            {
                "Single": (StreamType.UNARY, single),
                "Sum": (StreamType.CLIENT_STREAM, summed),
                "Count": (StreamType.SERVER_STREAM, counted),
                "Back": (StreamType.BIDI_STREAM, back),
            }
        )
    )
    calls = channel(port)
    letters = [text("a"), text("b")]
    assert stub(calls, "Single")(text("a")).value == "a False"
    assert stub(calls, "Sum", "stream_unary")(iter(letters)).value == "ab"
    assert [m.value for m in stub(calls, "Count", "unary_stream")(text("xyz"))] == ["x", "y", "z"]
    assert [m.value for m in stub(calls, "Back", "stream_stream")(iter(letters))] == ["a", "b"]


def test_a_blocking_handler_that_raises_stop_iteration_fails_its_call(serve: Serve, channel: Channel) -> None:
    def empty(_request: StringValue, _ctx: Context) -> StringValue:
        return next(iter(()))

    calls = stub(channel(serve(AsyncEcho(unary(empty)))))
    with pytest.raises(grpc.RpcError) as caught:
        calls(text("a"), timeout=30)
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.UNKNOWN


def test_a_blocking_generator_is_closed_when_its_caller_goes_away(serve: Serve, channel: Channel) -> None:
    closed = threading.Event()

    def count(_request: StringValue, _ctx: Context) -> Iterator[StringValue]:
        try:
            while True:
                yield text("x" * 1000)
        finally:
            closed.set()

    calls = stub(channel(serve(AsyncEcho({"Echo": (StreamType.SERVER_STREAM, count)}))), kind="unary_stream")
    call = calls(text("a"))
    assert next(call).value.startswith("x")
    call.cancel()
    assert closed.wait(10)


@pytest.mark.parametrize("is_late", [True, False], ids=["deadline", "cancel"])
@pytest.mark.parametrize("kind", [StreamType.CLIENT_STREAM, StreamType.BIDI_STREAM])
def test_a_blocking_handler_that_reads_is_told_that_its_caller_is_gone(
    kind: StreamType, is_late: bool, caplog: pytest.LogCaptureFixture
) -> None:
    reads, told = threading.Event(), threading.Event()
    ends: list[Any] = []

    class Watch:
        async def on_start(self, _ctx: Context) -> None:
            pass

        async def on_end(self, _token: None, _ctx: Context, error: Exception | None) -> None:
            ends.append(error)

    def read(requests: Iterator[StringValue], _ctx: Context) -> StringValue:
        next(requests)
        reads.set()
        try:
            next(requests)
        except ConnectError as error:
            ends.append(error)
            told.set()
            raise
        return text("")

    def read_on(requests: Iterator[StringValue], ctx: Context) -> Iterator[StringValue]:
        yield read(requests, ctx)

    function, name = (
        (read, "stream_unary") if kind is StreamType.CLIENT_STREAM else (read_on, "stream_stream")
    )
    more = threading.Event()

    def requests() -> Iterator[StringValue]:
        yield text("a")
        more.wait(30)

    with (
        caplog.at_level("WARNING"),
        ServerSync(AsyncEcho({"Echo": (kind, function)}, interceptors=[Watch()]), port=0) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as calls,
    ):
        method = stub(calls, kind=name)
        start = method.future if kind is StreamType.CLIENT_STREAM else method
        call: Any = start(requests(), timeout=0.5 if is_late else None)
        assert reads.wait(10)
        if not is_late:
            call.cancel()
        assert told.wait(10)
        more.set()
    # A caller of gRPC who gives up at its deadline may say so before the server has noticed.
    codes = {error.code for error in ends}
    assert codes <= ({Code.DEADLINE_EXCEEDED, Code.CANCELED} if is_late else {Code.CANCELED})
    assert len(ends) == 2
    assert caplog.records == []


def test_a_blocking_generator_runs_on_one_thread_from_its_first_step_to_its_last(
    serve: Serve, channel: Channel
) -> None:
    seen: list[threading.Thread] = []
    closed = threading.Event()

    def count(request: StringValue, _ctx: Context) -> Iterator[StringValue]:
        try:
            for letter in request.value:
                seen.append(threading.current_thread())
                yield text(letter)
        finally:
            seen.append(threading.current_thread())
            closed.set()

    calls = stub(channel(serve(AsyncEcho({"Echo": (StreamType.SERVER_STREAM, count)}))), kind="unary_stream")
    assert [message.value for message in calls(text("abc"))] == ["a", "b", "c"]
    assert closed.wait(10)
    assert len(seen) == 4
    assert len(set(seen)) == 1


def test_what_a_blocking_handler_does_after_its_call_is_logged_where_it_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    began, over, go_on = threading.Event(), threading.Event(), threading.Event()

    def fail(_request: StringValue, ctx: Context) -> StringValue:
        ctx.on_done(over.set)
        began.set()
        go_on.wait(30)
        raise ValueError("too late")

    with ServerSync(AsyncEcho(unary(fail)), port=0) as server:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as calls:
            call = stub(calls).future(text("a"))
            assert began.wait(10)
            call.cancel()
            assert over.wait(10)
        go_on.set()
    assert [record.getMessage() for record in caplog.records] == [
        f"the handler of /{SERVICE}/Echo failed after its call was over"
    ]


def test_a_decorated_or_handed_over_handler_is_still_asynchronous(serve: Serve, channel: Channel) -> None:
    seen: list[bool] = []

    def logged(function: Callable[..., Awaitable[StringValue]]) -> Callable[..., Awaitable[StringValue]]:
        @functools.wraps(function)
        def around(request: StringValue, ctx: Context) -> Awaitable[StringValue]:
            seen.append(asyncio.get_running_loop().is_running())
            return function(request, ctx)

        return around

    def hand_over(request: StringValue, ctx: Context) -> Awaitable[StringValue]:
        return echo(request, ctx)

    methods = {"Echo": (StreamType.UNARY, logged(echo)), "Over": (StreamType.UNARY, hand_over)}
    calls = channel(serve(AsyncEcho(methods)))
    assert stub(calls)(text("a")).value == "a"
    assert stub(calls, "Over")(text("b")).value == "b"
    assert seen == [True]


def test_blocking_and_asynchronous_applications_share_a_server(serve: Serve) -> None:
    def where(_request: StringValue, _ctx: Context) -> StringValue:
        return text(threading.current_thread().name)

    async def where_async(request: StringValue, ctx: Context) -> StringValue:
        return where(request, ctx)

    port = serve(AsyncEcho(unary(where_async)), SyncEcho({"Sync": (StreamType.UNARY, where)}), threads=1)
    url = f"http://127.0.0.1:{port}/{SERVICE}"
    assert httpx.post(f"{url}/Echo", json="").json() == "landbridge-server"
    assert httpx.post(f"{url}/Sync", json="").json() == "landbridge-handler-0"
