"""How a server stops, in code: what it tells, what it waits for, what it cuts."""

import asyncio
import contextlib
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.client import ConnectClientSync
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.method import StreamType
from landbridge.protocol import ProtocolType
from landbridge.request import RequestContext
from landbridge.serving import Server, ServerSync

from tests.package.echo import SERVICE, AsyncEcho, SyncEcho, method, stub, text, unary

Context = RequestContext[Any, Any]


class Held:
    """Handlers that wait until they are let go."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go_on = threading.Event()
        self.cancelled = threading.Event()

    async def handle(self, request: StringValue, _ctx: Context) -> StringValue:
        """Wait in an event loop."""
        self.began.set()
        try:
            while not self.go_on.is_set():  # noqa: ASYNC110 - it is set by another thread
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.cancelled.set()
            raise
        return request

    def handle_sync(self, request: StringValue, ctx: Context) -> StringValue:
        """Wait on a thread."""
        self.began.set()
        while not self.go_on.wait(0.01):
            if ctx.is_cancelled:
                self.cancelled.set()
                break
        return request


@pytest.fixture(params=["async", "blocking in async", "sync"])
def held(request: pytest.FixtureRequest) -> Iterator[tuple[Held, ServerSync, Any]]:
    """A server with one call in flight."""
    handlers = Held()
    handler: Any = handlers.handle if request.param == "async" else handlers.handle_sync
    application: Any = SyncEcho if request.param == "sync" else AsyncEcho
    server = ServerSync(application(unary(handler)), port=0)
    with server, grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        answer = stub(channel).future(text("a"), timeout=60)
        assert handlers.began.wait(10)
        yield handlers, server, answer
        handlers.go_on.set()


def test_calls_in_flight_are_waited_for(held: tuple[Held, ServerSync, Any]) -> None:
    handlers, server, answer = held
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    handlers.go_on.set()
    assert answer.result().value == "a"
    stopping.join()


def test_calls_are_cut_after_the_grace_and_their_handlers_end(held: tuple[Held, ServerSync, Any]) -> None:
    handlers, server, answer = held
    server.stop(grace=0)
    # Handlers have cleaned up by the time that it has stopped.
    assert handlers.cancelled.is_set()
    with pytest.raises(grpc.RpcError) as caught:
        answer.result()
    error: Any = caught.value
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, STOPPED)


STOPPED = "the server has stopped, and this call was not done by then"
"""What callers are told whose calls are cut."""


def cut_off(*, stream: bool) -> tuple[int, bytes]:
    """Call a server in Connect over HTTP/1.1, which is stopped meanwhile: the status, and what has come."""
    began = threading.Event()

    async def wait(request: StringValue, _ctx: Context) -> StringValue:
        began.set()
        await asyncio.sleep(60)
        return request

    async def count(request: StringValue, ctx: Context) -> AsyncIterator[StringValue]:
        yield request
        yield await wait(request, ctx)

    methods = {"Echo": (StreamType.UNARY, wait), "Count": (StreamType.SERVER_STREAM, count)}
    method, kind, content = (
        ("Count", "connect+json", b'\0\0\0\0\3"a"') if stream else ("Echo", "json", b'"a"')
    )
    with ServerSync(AsyncEcho(methods), port=0) as server, ThreadPoolExecutor() as beside:
        answer = beside.submit(
            httpx.post,
            f"http://127.0.0.1:{server.port}/{SERVICE}/{method}",
            content=content,
            headers={"content-type": f"application/{kind}"},
            timeout=60,
        )
        assert began.wait(20)
        server.stop(grace=0)
        return answer.result().status_code, answer.result().content


def test_a_unary_call_in_connect_that_is_cut_is_told_why() -> None:
    status, content = cut_off(stream=False)
    assert (status, json.loads(content)) == (503, {"code": "unavailable", "message": STOPPED})


def test_a_stream_in_connect_that_is_cut_ends_with_an_error() -> None:
    status, content = cut_off(stream=True)
    first = b'\0\0\0\0\3"a"'
    assert (status, content[:9]) == (200, first + b"\2")
    error = {"code": "unavailable", "message": STOPPED}
    assert json.loads(content[len(first) + 5 :]) == {"error": error}


def test_a_call_whose_request_has_not_all_come_is_told_why_it_is_cut() -> None:
    async def echo(request: StringValue, _ctx: Context) -> StringValue:
        return request

    with (
        ServerSync(AsyncEcho(unary(echo)), port=0) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=60) as caller,
    ):
        head = f"POST /{SERVICE}/Echo HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        caller.sendall(f'{head}content-length: 3\r\n\r\n"'.encode())
        while not server._server.calls_in_flight:
            pass
        server.stop(grace=0)
        answer = b"".join(iter(lambda: caller.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert STOPPED.encode() in answer


def test_a_request_for_the_application_behind_that_is_cut_has_an_answer() -> None:
    began = threading.Event()

    async def behind(scope: Any, receive: Any, _send: Any) -> None:
        if scope["type"] == "http":
            began.set()
            while (await receive())["type"] != "http.disconnect":
                pass

    with ServerSync(port=0, fallback=behind) as server, ThreadPoolExecutor() as beside:
        answer = beside.submit(httpx.get, f"http://127.0.0.1:{server.port}/page", timeout=60)
        assert began.wait(20)
        server.stop(grace=0)
        assert answer.result().status_code == 503
        assert "the server has stopped" in answer.result().text


def test_a_stream_that_waits_for_its_caller_is_told_why_it_ends_behind_what_was_given() -> None:
    async def count(request: StringValue, _ctx: Context) -> AsyncIterator[StringValue]:
        while True:
            yield text(request.value * (1 << 20))

    counts = method("Count", StreamType.SERVER_STREAM)
    with (
        ServerSync(AsyncEcho({"Count": (StreamType.SERVER_STREAM, count)}), port=0) as server,
        ConnectClientSync(f"http://127.0.0.1:{server.port}", protocol=ProtocolType.GRPC) as client,
    ):
        messages = client.execute_server_stream(request=text("a"), method=counts)
        assert len(next(messages).value) == 1 << 20
        draining = threading.Event()
        server._server.on_draining(draining.set)
        stopping = threading.Thread(target=server.stop, args=(0,))
        stopping.start()
        assert draining.wait(20)
        rest: list[int] = []
        with pytest.raises(ConnectError) as caught:
            rest.extend(len(message.value) for message in messages)
        stopping.join()
    assert set(rest) <= {1 << 20}
    assert (caught.value.code, caught.value.message) == (Code.UNAVAILABLE, STOPPED)


def test_a_second_stop_shortens_the_first(held: tuple[Held, ServerSync, Any]) -> None:
    handlers, server, _ = held
    patient = threading.Thread(target=server.stop, args=(None,))
    patient.start()
    server.stop(grace=0)
    patient.join()
    assert handlers.cancelled.is_set()
    # Later ones have nothing to do.
    server.stop()


def test_who_is_draining_is_told_before_anything_is_refused() -> None:
    async def echo(request: StringValue, _ctx: Context) -> StringValue:
        return request

    async def main() -> list[Any]:
        told: list[Any] = []
        async with Server(AsyncEcho(unary(echo)), port=0) as server:
            server.on_draining(lambda: 1 / 0)
            server.on_draining(lambda: told.append(("draining", server.port)))
            port = server.port
            async with httpx.AsyncClient() as client:
                answer = await client.post(f"http://127.0.0.1:{port}/{SERVICE}/Echo", json="a")
                assert answer.json() == "a"
            await server.stop()
            await server.stop()
        assert told == [("draining", port)]
        return told

    assert asyncio.run(main())


class Living(AsyncEcho):
    """An application whose service is a generator."""

    def __init__(self, handlers: Held, seen: list[str]) -> None:
        async def service() -> AsyncIterator[None]:
            seen.append("started")
            yield None
            seen.append(f"ended after the call: {handlers.cancelled.is_set()}")

        super().__init__(unary(handlers.handle), service=service())


def test_the_lifespan_of_a_service_ends_after_its_last_call() -> None:
    seen: list[str] = []
    handlers = Held()
    server = ServerSync(Living(handlers, seen), port=0)
    with server, grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        answer = stub(channel).future(text("a"))
        assert handlers.began.wait(10)
        server.stop(grace=0)
        assert isinstance(answer.exception(), grpc.RpcError)
    assert seen == ["started", "ended after the call: True"]


@pytest.mark.parametrize(("application", "blocks"), [(AsyncEcho, False), (AsyncEcho, True), (SyncEcho, True)])
def test_handlers_that_do_not_end_are_named_and_left(
    application: Any, blocks: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landbridge.serving.server._CLEAN_UP_TIME", 0.1)
    began, go_on = threading.Event(), threading.Event()

    def stubborn_sync(request: StringValue, _ctx: Context) -> StringValue:
        began.set()
        go_on.wait(30)
        return request

    async def stubborn(request: StringValue, _ctx: Context) -> StringValue:
        began.set()
        while not go_on.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)
        return request

    server = ServerSync(application(unary(stubborn_sync if blocks else stubborn)), port=0)
    with caplog.at_level(logging.WARNING, "landbridge"), server:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            answer = stub(channel).future(text("a"))
            assert began.wait(10)
            server.stop(grace=0)
            assert isinstance(answer.exception(), grpc.RpcError)
        go_on.set()
        # Now that they have ended, so does what they were in.
        server.wait()
    assert [record.getMessage() for record in caplog.records] == [
        "1 handlers do not end though their callers are gone; leaving them"
    ]


def test_a_server_that_does_not_start_ends_the_lifespans_that_began() -> None:
    seen: list[str] = []
    handlers = Held()
    with ServerSync(SyncEcho(unary(handlers.handle_sync)), port=0) as first:
        second = ServerSync(Living(handlers, seen), port=first.port)
        with pytest.raises(OSError, match=str(first.port)):
            second.start()
    assert seen == ["started", "ended after the call: False"]


def test_a_task_that_a_handler_has_left_behind_does_not_keep_a_server_from_stopping() -> None:
    tasks: list[asyncio.Task[bool]] = []

    async def leave(request: StringValue, _ctx: Context) -> StringValue:
        tasks.append(asyncio.create_task(asyncio.Event().wait()))
        return request

    server = ServerSync(AsyncEcho(unary(leave)), port=0)
    with server:
        url = f"http://127.0.0.1:{server.port}/{SERVICE}/Echo"
        assert httpx.post(url, json="a").json() == "a"
        server.stop()
        assert [task.cancelled() for task in tasks] == [True]


def test_what_fails_in_the_end_of_a_lifespan_is_raised_by_stop() -> None:
    async def service() -> AsyncIterator[None]:
        yield None
        raise ValueError("the database is gone")

    async def echo(request: StringValue, _ctx: Context) -> StringValue:
        return request

    server = ServerSync(AsyncEcho(unary(echo), service=service()), port=0)
    server.start()
    with pytest.raises(ValueError, match="the database is gone"):
        server.stop()
    server.wait()


def test_an_event_loop_ends_though_a_blocking_handler_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("landbridge.serving.server._CLEAN_UP_TIME", 0.1)
    began, go_on = threading.Event(), threading.Event()

    def stubborn(request: StringValue, _ctx: Context) -> StringValue:
        began.set()
        go_on.wait(30)
        return request

    async def main() -> None:
        async with Server(AsyncEcho(unary(stubborn)), port=0) as server:
            with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                answer = stub(channel).future(text("a"))
                await asyncio.to_thread(began.wait, 10)
                await server.stop(grace=0)
                assert isinstance(answer.exception(), grpc.RpcError)

    asyncio.run(main())
    assert not go_on.is_set()
    go_on.set()
