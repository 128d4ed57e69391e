"""Threads give up each other's blocking calls."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from landbridge.client import Cancellation, ConnectClientSync, Transport
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.protocol import ProtocolType

from tests.client.echo import COUNT, ECHO, SUM, Echo, text


@pytest.fixture(
    params=[
        (ProtocolType.CONNECT, "1.1"),
        (ProtocolType.CONNECT, "2"),
        (ProtocolType.GRPC, "2"),
        (ProtocolType.GRPC_WEB, "1.1"),
    ],
    ids=lambda way: f"{way[0].value}-{way[1]}",
)
def client(request: pytest.FixtureRequest, url: str) -> Iterator[ConnectClientSync]:
    """What calls `echo`."""
    protocol, http_version = request.param
    transport = Transport(http_version=http_version)
    with ConnectClientSync(url, protocol=protocol, transport=transport) as client:
        yield client


@contextmanager
def given_up(echo: Echo, cancel: Callable[[], None]) -> Iterator[None]:
    """Give up by another thread, as soon as a handler waits; it is cancelled by that."""

    def work() -> None:
        echo.await_waiting()
        cancel()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        with pytest.raises(ConnectError) as raised:
            yield
        assert raised.value.code is Code.CANCELED
    finally:
        thread.join()
    echo.await_cancelled()


def test_a_call_that_another_thread_gives_up_is_cancelled_here_and_at_the_server(
    client: ConnectClientSync, echo: Echo
) -> None:
    with Cancellation() as cancellation:
        with given_up(echo, cancellation.cancel):
            client.execute_unary(request=text("wait"), method=ECHO)
        assert cancellation.is_cancelled


def test_a_stream_is_given_up_with_the_block_that_it_was_started_in(
    client: ConnectClientSync, echo: Echo
) -> None:
    with (
        Cancellation() as cancellation,
        client.execute_server_stream(request=text("wait"), method=COUNT) as stream,
        given_up(echo, cancellation.cancel),
    ):
        stream.receive()


def test_a_call_with_an_iterator_of_requests_is_given_up(client: ConnectClientSync, echo: Echo) -> None:
    with Cancellation() as cancellation, given_up(echo, cancellation.cancel):
        client.execute_client_stream(request=[text("a"), text("wait")], method=SUM)


def test_a_stream_with_responses_left_is_cancelled_however_fast_they_came(client: ConnectClientSync) -> None:
    with client.execute_server_stream(request=text("3"), method=COUNT) as stream:
        assert stream.receive().value == "0"
        # By the time that this is answered, the rest of the stream is most likely here.
        client.execute_unary(request=text(""), method=ECHO)
        stream.cancel()
        with pytest.raises(ConnectError) as raised:
            stream.receive()
    assert raised.value.code is Code.CANCELED


def test_a_stream_that_was_taken_to_its_end_stays_as_it_was(client: ConnectClientSync) -> None:
    with client.execute_server_stream(request=text("3"), method=COUNT) as stream:
        assert len(list(stream)) == 3
        stream.cancel()
        assert list(stream) == []
    assert stream.response_trailers["x-tail"] == "3"


class PassingOn:
    """Does nothing around a call."""

    def intercept_client_stream_sync(self, call_next: Any, request: Any, ctx: Any) -> Any:
        """Pass everything on."""
        return call_next(request, ctx)


def test_a_call_with_interceptors_around_it_is_given_up(url: str, echo: Echo) -> None:
    with (
        ConnectClientSync(url, interceptors=[PassingOn()]) as client,
        Cancellation() as cancellation,
        client.execute_client_stream(method=SUM) as stream,
    ):
        stream.send(text("wait"))
        with given_up(echo, cancellation.cancel):
            stream.receive()


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


def test_a_block_is_given_up_with_those_around_it_and_not_with_those_inside_of_it(
    client: ConnectClientSync, echo: Echo
) -> None:
    with Cancellation() as outer:
        with Cancellation() as inner:
            inner.cancel()
        assert client.execute_unary(request=text("outer"), method=ECHO).value == "outer"
        with Cancellation(), given_up(echo, outer.cancel):
            client.execute_unary(request=text("wait"), method=ECHO)
