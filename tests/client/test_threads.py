"""Threads that make blocking calls: alone, one after the other, and beside everything else."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from landbridge.client import Cancellation, ConnectClient, ConnectClientSync, Transport
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.protocol import ProtocolType
from landbridge.serving import ServerSync

from tests.client.echo import ECHO, TALK, Echo, text
from tests.running.relays import Relay

PROTOCOLS = pytest.mark.parametrize(
    "protocol", list(ProtocolType), ids=lambda protocol: protocol.name.lower()
)
ENOUGH = 30
"""Calls in a row, after which a thread does its own I/O."""


def call(client: ConnectClientSync, times: int = 1) -> None:
    """Call, so many times."""
    for number in range(times):
        assert client.execute_unary(request=text(str(number)), method=ECHO).value == str(number)


@contextmanager
def caller(client: ConnectClientSync) -> Iterator[None]:
    """A thread calls without a pause for as long as the block lasts."""
    over = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            while not over.is_set():
                call(client)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert failed == []


@PROTOCOLS
def test_calls_go_on_beside_one_that_waits(url: str, echo: Echo, protocol: ProtocolType) -> None:
    with ConnectClientSync(url, protocol=protocol) as client:
        call(client, ENOUGH)
        cancellation = Cancellation()

        def wait() -> None:
            with cancellation, pytest.raises(ConnectError) as ended:
                client.execute_unary(request=text("wait"), method=ECHO)
            assert ended.value.code is Code.CANCELED

        waiting = threading.Thread(target=wait)
        waiting.start()
        echo.await_waiting()
        call(client, ENOUGH)
        cancellation.cancel()
        waiting.join()
        echo.await_cancelled()
        call(client, ENOUGH)


@PROTOCOLS
def test_calls_go_on_between_the_messages_of_a_stream(url: str, protocol: ProtocolType) -> None:
    with ConnectClientSync(url, protocol=protocol, transport=Transport(http_version="2")) as client:
        call(client, ENOUGH)
        with client.execute_bidi_stream(method=TALK) as stream:
            for _ in range(10):
                stream.send(text("a"))
                call(client, ENOUGH)
                assert stream.receive().value == "A"
        call(client, ENOUGH)


def test_threads_and_event_loops_call_beside_each_other(url: str) -> None:
    async def calls() -> None:
        async with ConnectClient(url) as client:
            for number in range(200):
                answer = await client.execute_unary(request=text(str(number)), method=ECHO)
                assert answer.value == str(number)

    with ConnectClientSync(url) as client, caller(client), caller(client):
        asyncio.run(calls())
        call(client, ENOUGH)


def test_the_deadline_of_a_call_in_a_row_is_kept(url: str) -> None:
    with ConnectClientSync(url) as client:
        call(client, ENOUGH)
        for milliseconds in (1, 20):
            with pytest.raises(ConnectError) as late:
                client.execute_unary(request=text("wait"), method=ECHO, timeout_ms=milliseconds)
            assert late.value.code is Code.DEADLINE_EXCEEDED
            call(client, ENOUGH)


@pytest.mark.parametrize("http_version", ["1.1", "2"])
def test_connections_are_looked_after_when_a_thread_calls_no_more(echo: Echo, http_version: str) -> None:
    transport = Transport(http_version=http_version, idle_timeout=0.05)  # type: ignore[arg-type]
    with (
        ServerSync(echo.application, port=0) as server,
        Relay(server.port) as relay,
        ConnectClientSync(f"http://127.0.0.1:{relay.port}", transport=transport) as client,
    ):
        for turn in range(1, 4):
            call(client, ENOUGH)
            assert relay.closed.acquire(timeout=10)
            assert len(relay.opened) == turn
