"""Threads give up each other's blocking calls."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.client import Cancellation, ConnectClientSync, Transport
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.method import StreamType
from landbridge.protocol import ProtocolType
from landbridge.request import RequestContext

from tests.package.conftest import Serve
from tests.package.echo import AsyncEcho, method, text

Context = RequestContext[Any, Any]

ECHO = method("Echo", StreamType.UNARY)
COUNT = method("Count", StreamType.SERVER_STREAM)
BURST = method("Burst", StreamType.SERVER_STREAM)
JOIN = method("Join", StreamType.CLIENT_STREAM)


class Waiting(AsyncEcho):
    """Handlers that wait for ever, tell when they begin to, and tell when they are cancelled."""

    def __init__(self) -> None:
        self.reached = threading.Semaphore(0)
        self.cancelled = threading.Semaphore(0)
        super().__init__(
            {
                "Echo": (StreamType.UNARY, self._echo),
                "Count": (StreamType.SERVER_STREAM, self._count),
                "Burst": (StreamType.SERVER_STREAM, self._burst),
                "Join": (StreamType.CLIENT_STREAM, self._join),
            }
        )

    async def _wait(self) -> None:
        self.reached.release()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.cancelled.release()
            raise

    async def _echo(self, request: StringValue, _ctx: Context) -> StringValue:
        if request.value == "wait":
            await self._wait()
        return request

    async def _count(self, _request: StringValue, _ctx: Context) -> AsyncIterator[StringValue]:
        yield text("first")
        await self._wait()

    async def _burst(self, _request: StringValue, _ctx: Context) -> AsyncIterator[StringValue]:
        for each in ("first", "second", "third"):
            yield text(each)

    async def _join(self, _requests: AsyncIterator[StringValue], _ctx: Context) -> StringValue:
        await self._wait()
        return text("")


@pytest.fixture
def waiting() -> Waiting:
    """The service."""
    return Waiting()


@pytest.fixture(
    params=[
        (ProtocolType.CONNECT, "1.1"),
        (ProtocolType.CONNECT, "2"),
        (ProtocolType.GRPC, "2"),
        (ProtocolType.GRPC_WEB, "1.1"),
    ],
    ids=lambda way: f"{way[0].name}-{way[1]}",
)
def client(request: pytest.FixtureRequest, serve: Serve, waiting: Waiting) -> Iterator[ConnectClientSync]:
    """What calls it."""
    protocol, http_version = request.param
    address = f"http://127.0.0.1:{serve(waiting)}"
    transport = Transport(http_version=http_version)
    with ConnectClientSync(address, protocol=protocol, transport=transport) as client:
        yield client


@contextmanager
def given_up_once(reached: threading.Semaphore, cancel: Callable[[], None]) -> Iterator[None]:
    """Give up by another thread, as soon as the handler was reached."""

    def work() -> None:
        reached.acquire()
        cancel()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_a_call_that_another_thread_gives_up_is_cancelled_here_and_at_the_server(
    client: ConnectClientSync, waiting: Waiting
) -> None:
    with Cancellation() as cancellation, given_up_once(waiting.reached, cancellation.cancel):
        with pytest.raises(ConnectError) as raised:
            client.execute_unary(request=text("wait"), method=ECHO)
        assert raised.value.code is Code.CANCELED
        assert cancellation.is_cancelled
    waiting.cancelled.acquire()


def test_a_stream_is_given_up_with_the_block_that_it_was_started_in(
    client: ConnectClientSync, waiting: Waiting
) -> None:
    with (
        Cancellation() as cancellation,
        client.execute_server_stream(request=text(""), method=COUNT) as stream,
    ):
        assert stream.receive().value == "first"
        with given_up_once(waiting.reached, cancellation.cancel), pytest.raises(ConnectError) as raised:
            stream.receive()
    assert raised.value.code is Code.CANCELED
    waiting.cancelled.acquire()


def test_a_stream_with_responses_left_is_cancelled_however_fast_they_came(client: ConnectClientSync) -> None:
    with client.execute_server_stream(request=text(""), method=BURST) as stream:
        assert stream.receive().value == "first"
        # By the time that this is answered, the rest of the stream is most likely here.
        client.execute_unary(request=text(""), method=ECHO)
        stream.cancel()
        with pytest.raises(ConnectError) as raised:
            stream.receive()
    assert raised.value.code is Code.CANCELED


def test_a_stream_that_was_taken_to_its_end_stays_as_it_was(client: ConnectClientSync) -> None:
    with client.execute_server_stream(request=text(""), method=BURST) as stream:
        assert len(list(stream)) == 3
        stream.cancel()
        assert list(stream) == []
    assert dict(stream.response_trailers) == {}


def test_a_call_with_an_iterator_of_requests_is_given_up(client: ConnectClientSync, waiting: Waiting) -> None:
    with (
        Cancellation() as cancellation,
        given_up_once(waiting.reached, cancellation.cancel),
        pytest.raises(ConnectError) as raised,
    ):
        client.execute_client_stream(request=[text("a"), text("b")], method=JOIN)
    assert raised.value.code is Code.CANCELED
    waiting.cancelled.acquire()


class PassingOn:
    """Does nothing around a call."""

    def intercept_client_stream_sync(self, call_next: Any, request: Any, ctx: Context) -> Any:
        """Pass everything on."""
        return call_next(request, ctx)


def test_a_call_with_interceptors_around_it_is_given_up(serve: Serve, waiting: Waiting) -> None:
    address = f"http://127.0.0.1:{serve(waiting)}"
    with (
        ConnectClientSync(address, interceptors=[PassingOn()]) as client,
        Cancellation() as cancellation,
        given_up_once(waiting.reached, cancellation.cancel),
        client.execute_client_stream(method=JOIN) as stream,
        pytest.raises(ConnectError) as raised,
    ):
        stream.receive()
    assert raised.value.code is Code.CANCELED
    waiting.cancelled.acquire()


def test_later_calls_of_a_block_that_was_given_up_fail_and_those_after_it_do_not(
    client: ConnectClientSync,
) -> None:
    with Cancellation() as cancellation:
        assert client.execute_unary(request=text("before"), method=ECHO).value == "before"
        cancellation.cancel()
        with pytest.raises(ConnectError) as raised:
            client.execute_unary(request=text("late"), method=ECHO)
        assert raised.value.code is Code.CANCELED
    assert client.execute_unary(request=text("after"), method=ECHO).value == "after"


def test_a_block_is_given_up_with_those_inside_of_it_and_not_with_those_around(
    client: ConnectClientSync, waiting: Waiting
) -> None:
    with Cancellation() as outer:
        with Cancellation() as inner:
            inner.cancel()
        assert client.execute_unary(request=text("outer"), method=ECHO).value == "outer"
        with Cancellation(), given_up_once(waiting.reached, outer.cancel):
            with pytest.raises(ConnectError) as raised:
                client.execute_unary(request=text("wait"), method=ECHO)
            assert raised.value.code is Code.CANCELED
    waiting.cancelled.acquire()
