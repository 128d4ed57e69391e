"""Clients over an application in memory, and over httpx, in place of the transport."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.client import (
    Cancellation,
    ConnectClient,
    ConnectClientSync,
    InMemory,
    InMemorySync,
    ResponseMetadata,
    Transport,
)
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.method import StreamType
from landbridge.protocol import ProtocolType

from tests.client.echo import COUNT, ECHO, SUM, TALK, Echo, call_in_time, text
from tests.package.echo import SyncEcho

PROTOCOLS = pytest.mark.parametrize("protocol", list(ProtocolType), ids=lambda protocol: protocol.value)
WITHOUT_TRAILERS = pytest.mark.parametrize(
    "protocol", [ProtocolType.CONNECT, ProtocolType.GRPC_WEB], ids=lambda protocol: protocol.value
)


async def texts(*values: str) -> AsyncIterator[StringValue]:
    """Messages, asynchronously."""
    for value in values:
        yield text(value)


def fail(request: StringValue, ctx: Any) -> StringValue:
    """Say why."""
    ctx.response_headers.add("x-head", "h")
    ctx.response_trailers.add("x-tail", "t")
    raise ConnectError(Code.NOT_FOUND, "no such thing é", [text(request.value)])


class SyncServices:
    """Blocking handlers of all kinds."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    @property
    def application(self) -> SyncEcho:
        """The service."""
        return SyncEcho(
            {
                "Echo": (StreamType.UNARY, self.echo),
                "Sum": (StreamType.CLIENT_STREAM, self.sum),
                "Count": (StreamType.SERVER_STREAM, self.count),
                "Talk": (StreamType.BIDI_STREAM, self.talk),
            }
        )

    def echo(self, request: StringValue, ctx: Any) -> StringValue:
        """The request."""
        if request.value == "fail":
            return fail(request, ctx)
        ctx.response_headers.add("x-head", request.value)
        ctx.response_trailers.add("x-tail", request.value)
        return request

    def sum(self, requests: Iterator[StringValue], _ctx: Any) -> StringValue:
        """All requests, joined."""
        return text("+".join(request.value for request in requests))

    def count(self, request: StringValue, ctx: Any) -> Iterator[StringValue]:
        """Numbers up to the one asked for."""
        ctx.response_trailers.add("x-tail", request.value)
        try:
            for number in range(int(request.value)):
                yield text(str(number))
        finally:
            self.closed.set()

    def talk(self, requests: Iterator[StringValue], _ctx: Any) -> Iterator[StringValue]:
        """Each request in capitals."""
        for request in requests:
            yield text(request.value.upper())


# In memory, asynchronous.


@pytest.fixture
def in_memory(echo: Echo) -> Callable[..., None]:
    """Run a coroutine with a client that calls `echo` in memory, in asyncio's debug mode."""

    def run(body: Any, protocol: ProtocolType, **settings: Any) -> None:
        async def main() -> None:
            async with (
                InMemory(echo.application) as application,
                ConnectClient(
                    "http://test", protocol=protocol, http_client=application, **settings
                ) as client,
            ):
                await body(client)
            await _nothing_goes_on()

        asyncio.run(main(), debug=True)

    return run


async def _nothing_goes_on() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _, left = await asyncio.wait(others, timeout=10)
        assert not left


@PROTOCOLS
def test_all_kinds_of_calls_work_in_memory(in_memory: Any, protocol: ProtocolType) -> None:
    async def body(client: ConnectClient) -> None:
        with ResponseMetadata() as metadata:
            response = await client.execute_unary(request=text("a"), method=ECHO)
        assert response.value == "a"
        assert (metadata.http_status, metadata.headers["x-head"], metadata.trailers["x-tail"]) == (
            200,
            "a",
            "a",
        )
        counted = client.execute_server_stream(request=text("3"), method=COUNT)
        assert [message.value async for message in counted] == ["0", "1", "2"]
        assert counted.response_trailers["x-tail"] == "3"
        assert (await client.execute_client_stream(request=texts("a", "b"), method=SUM)).value == "a+b"
        talked = client.execute_bidi_stream(request=texts("x", "y"), method=TALK)
        assert [message.value async for message in talked] == ["X", "Y"]
        async with client.execute_bidi_stream(method=TALK) as call:
            assert (await call.response_headers())["x-head"] == "talk"
            for value in ("a", "b"):
                await call.send(text(value))
                assert (await call.receive()).value == value.upper()
            await call.close_send()
            with pytest.raises(EOFError):
                await call.receive()
        async with client.execute_client_stream(method=SUM) as summed:
            await summed.send(text("c"))
            assert (await summed.receive()).value == "c"
            with pytest.raises(EOFError):
                await summed.receive()

    in_memory(body, protocol)


@PROTOCOLS
def test_calls_in_memory_can_be_given_up(in_memory: Any, echo: Echo, protocol: ProtocolType) -> None:
    async def body(client: ConnectClient) -> None:
        task = asyncio.create_task(client.execute_unary(request=text("wait"), method=ECHO))
        await asyncio.to_thread(echo.await_waiting)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(echo.await_cancelled)
        with pytest.raises(TimeoutError):
            await call_in_time(client, echo)
        await asyncio.to_thread(echo.await_cancelled)
        async with client.execute_bidi_stream(method=TALK) as call:
            await call.send(text("wait"))
            await asyncio.to_thread(echo.await_waiting)
        await asyncio.to_thread(echo.await_cancelled)
        async for _ in client.execute_server_stream(request=text("100000000"), method=COUNT):
            break
        await asyncio.to_thread(echo.await_cancelled)

    in_memory(body, protocol)


@PROTOCOLS
def test_calls_in_memory_have_deadlines(in_memory: Any, echo: Echo, protocol: ProtocolType) -> None:
    async def body(client: ConnectClient) -> None:
        with pytest.raises(ConnectError) as late:
            await client.execute_unary(request=text("wait"), method=ECHO, timeout_ms=500)
        assert late.value.code is Code.DEADLINE_EXCEEDED
        await asyncio.to_thread(echo.await_cancelled)
        with pytest.raises(ConnectError) as late:
            async for _ in client.execute_server_stream(request=text("wait"), method=COUNT, timeout_ms=500):
                pass
        assert late.value.code is Code.DEADLINE_EXCEEDED

    in_memory(body, protocol)


@PROTOCOLS
def test_calls_in_memory_are_given_up_by_another_thread(
    in_memory: Any, echo: Echo, protocol: ProtocolType
) -> None:
    async def body(client: ConnectClient) -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(client.execute_unary(request=text("wait"), method=ECHO))
        await asyncio.to_thread(echo.await_waiting)
        await asyncio.to_thread(lambda: loop.call_soon_threadsafe(task.cancel))
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(echo.await_cancelled)
        for call in (
            client.execute_server_stream(request=text("wait"), method=COUNT),
            client.execute_bidi_stream(request=texts("wait"), method=TALK),
        ):
            receiving = asyncio.create_task(call.receive())
            await asyncio.to_thread(echo.await_waiting)
            await asyncio.to_thread(call.cancel)
            with pytest.raises(ConnectError) as cancelled:
                await receiving
            assert cancelled.value.code is Code.CANCELED
            await asyncio.to_thread(echo.await_cancelled)

    in_memory(body, protocol)


@PROTOCOLS
def test_a_stream_in_memory_that_is_given_up_at_once_is_over(in_memory: Any, protocol: ProtocolType) -> None:
    async def body(client: ConnectClient) -> None:
        async with client.execute_server_stream(request=text("3"), method=COUNT) as call:
            call.cancel()
            with pytest.raises(ConnectError) as cancelled:
                await call.receive()
            assert cancelled.value.code is Code.CANCELED

    in_memory(body, protocol)


def test_an_application_in_memory_that_raises_fails_the_call() -> None:
    async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError("broken application")

    async def silent(_scope: Any, _receive: Any, _send: Any) -> None:
        return

    async def main() -> None:
        for application, says in ((broken, "broken application"), (silent, "response")):
            client = ConnectClient("http://test", http_client=InMemory(application))
            with pytest.raises(ConnectError, match=says) as failed:
                await client.execute_unary(request=text("a"), method=ECHO)
            assert failed.value.code in {Code.UNKNOWN, Code.INTERNAL, Code.UNAVAILABLE}

    asyncio.run(main(), debug=True)


def test_a_timeout_of_an_application_in_memory_is_not_the_calls() -> None:
    async def slow(_scope: Any, _receive: Any, _send: Any) -> None:
        raise TimeoutError("the database is slow")

    async def main() -> None:
        client = ConnectClient("http://test", http_client=InMemory(slow), timeout_ms=60_000)
        with pytest.raises(ConnectError, match="the database is slow") as failed:
            await client.execute_unary(request=text("a"), method=ECHO)
        assert failed.value.code is Code.UNKNOWN

    asyncio.run(main(), debug=True)


def test_a_call_in_memory_that_was_answered_in_time_is_not_late(echo: Echo) -> None:
    async def lingering(scope: Any, receive: Any, send: Any) -> None:
        await echo.application(scope, receive, send)
        await asyncio.Event().wait()

    async def main() -> None:
        watching = Watching()
        client = ConnectClient(
            "http://test", http_client=InMemory(lingering), timeout_ms=500, interceptors=[watching]
        )
        await client.execute_unary(request=text("a"), method=ECHO)
        # The application is ended by the deadline of the call.
        await _nothing_goes_on()
        (ctx,) = watching.contexts
        assert not ctx.is_cancelled

    asyncio.run(main(), debug=True)


def test_a_response_in_memory_waits_for_its_reader(in_memory: Any, echo: Echo) -> None:
    async def body(client: ConnectClient) -> None:
        async with client.execute_server_stream(request=text("1000"), method=COUNT) as call:
            await call.receive()
            for _ in range(100):
                await asyncio.sleep(0)
            assert echo.sent < 200
            assert len([message async for message in call]) == 999

    in_memory(body, ProtocolType.CONNECT)


# In memory, blocking.


def in_memory_sync(protocol: ProtocolType, **settings: Any) -> tuple[ConnectClientSync, SyncServices]:
    """A client of blocking handlers, and these."""
    services = SyncServices()
    application = InMemorySync(services.application)
    return ConnectClientSync("http://test", protocol=protocol, http_client=application, **settings), services


@WITHOUT_TRAILERS
def test_all_kinds_of_calls_work_in_memory_sync(protocol: ProtocolType) -> None:
    client, _ = in_memory_sync(protocol)
    with ResponseMetadata() as metadata:
        assert client.execute_unary(request=text("a"), method=ECHO).value == "a"
    assert (metadata.http_status, metadata.headers["x-head"], metadata.trailers["x-tail"]) == (200, "a", "a")
    counted = client.execute_server_stream(request=text("3"), method=COUNT)
    assert [message.value for message in counted] == ["0", "1", "2"]
    assert counted.response_trailers["x-tail"] == "3"
    requests = (text(value) for value in "ab")
    assert client.execute_client_stream(request=requests, method=SUM).value == "a+b"
    with client.execute_client_stream(method=SUM) as call:
        call.send(text("c"))
        call.send(text("d"))
        assert call.receive().value == "c+d"
        with pytest.raises(EOFError):
            call.receive()
    talked = client.execute_bidi_stream(request=(text(value) for value in "xy"), method=TALK)
    assert [message.value for message in talked] == ["X", "Y"]


class Watching:
    """An interceptor that sees calls end."""

    def __init__(self) -> None:
        self.contexts: list[Any] = []
        self.said: list[bool] = []
        """Whether each was cancelled, when it ended."""

    async def on_start(self, _ctx: Any) -> None:
        """Nothing to do."""

    async def on_end(self, _token: None, ctx: Any, error: Exception | None) -> None:
        """As `on_end_sync`."""
        self.on_end_sync(None, ctx, error)

    def on_start_sync(self, _ctx: Any) -> None:
        """Nothing to do."""

    def on_end_sync(self, _token: None, ctx: Any, _error: Exception | None) -> None:
        """Ask."""
        self.contexts.append(ctx)
        self.said.append(ctx.is_cancelled)


@WITHOUT_TRAILERS
def test_interceptors_in_memory_know_which_calls_were_given_up(
    in_memory: Any, protocol: ProtocolType
) -> None:
    watching = Watching()

    async def body(client: ConnectClient) -> None:
        await client.execute_unary(request=text("a"), method=ECHO)
        assert [each.value async for each in client.execute_server_stream(request=text("2"), method=COUNT)]
        async with client.execute_server_stream(request=text("100000000"), method=COUNT) as stream:
            await stream.receive()
        with pytest.raises(ConnectError):
            await client.execute_unary(request=text("wait"), method=ECHO, timeout_ms=300)

    in_memory(body, protocol, interceptors=[watching])
    assert watching.said == [False, False, True, True]
    watching = Watching()
    client, _ = in_memory_sync(protocol, interceptors=[watching])
    client.execute_unary(request=text("a"), method=ECHO)
    assert list(client.execute_server_stream(request=text("2"), method=COUNT))
    with client.execute_server_stream(request=text("100000000"), method=COUNT) as stream:
        stream.receive()
    assert watching.said == [False, False, True]


@WITHOUT_TRAILERS
def test_calls_in_memory_can_be_given_up_sync(protocol: ProtocolType) -> None:
    client, services = in_memory_sync(protocol)
    for _ in client.execute_server_stream(request=text("100000000"), method=COUNT):
        break
    assert services.closed.wait(10)


class Held:
    """Blocking handlers that wait until they are let go."""

    def __init__(self) -> None:
        self.waiting = threading.Semaphore(0)
        self.go_on = threading.Event()

    def _wait(self) -> None:
        self.waiting.release()
        assert self.go_on.wait(60)

    @property
    def application(self) -> SyncEcho:
        """The service."""
        return SyncEcho(
            {
                "Echo": (StreamType.UNARY, self.one),
                "Sum": (StreamType.CLIENT_STREAM, self.one),
                "Count": (StreamType.SERVER_STREAM, self.many),
                "Talk": (StreamType.BIDI_STREAM, self.many),
            }
        )

    def one(self, _request: Any, _ctx: Any) -> StringValue:
        """Wait."""
        self._wait()
        return text("late")

    def many(self, _request: Any, _ctx: Any) -> Iterator[StringValue]:
        """Wait after the first."""
        yield text("first")
        self._wait()
        yield text("late")


CALLS_THAT_ARE_HELD: list[Callable[[ConnectClientSync], Any]] = [
    lambda client: client.execute_unary(request=text("a"), method=ECHO),
    lambda client: client.execute_client_stream(request=[text("a")], method=SUM),
    lambda client: list(client.execute_server_stream(request=text("a"), method=COUNT)),
    lambda client: list(client.execute_bidi_stream(request=[text("a")], method=TALK)),
]


@pytest.mark.parametrize("call", CALLS_THAT_ARE_HELD, ids=["unary", "client stream", "server stream", "bidi"])
@WITHOUT_TRAILERS
def test_calls_in_memory_are_given_up_by_another_thread_sync(
    protocol: ProtocolType, call: Callable[[ConnectClientSync], Any]
) -> None:
    held = Held()
    client = ConnectClientSync("http://test", protocol=protocol, http_client=InMemorySync(held.application))
    with Cancellation() as cancellation:

        def give_up() -> None:
            assert held.waiting.acquire(timeout=20)
            cancellation.cancel()

        thread = threading.Thread(target=give_up)
        thread.start()
        with pytest.raises(ConnectError) as cancelled:
            call(client)
        thread.join()
    assert cancelled.value.code is Code.CANCELED
    # Nobody can end a handler that blocks; the caller has not waited for it.
    held.go_on.set()


@pytest.mark.parametrize("call", CALLS_THAT_ARE_HELD, ids=["unary", "client stream", "server stream", "bidi"])
def test_calls_in_memory_have_deadlines_sync(call: Callable[[ConnectClientSync], Any]) -> None:
    held, watching = Held(), Watching()
    application = InMemorySync(held.application)
    client = ConnectClientSync(
        "http://test", http_client=application, timeout_ms=100, interceptors=[watching]
    )
    with pytest.raises(ConnectError) as late:
        call(client)
    assert late.value.code is Code.DEADLINE_EXCEEDED
    # Also where the head and a message had come before.
    assert watching.said == [True]
    held.go_on.set()


@WITHOUT_TRAILERS
def test_errors_in_memory_are_whole(protocol: ProtocolType) -> None:
    client, _ = in_memory_sync(protocol)
    with pytest.raises(ConnectError) as failed:
        client.execute_unary(request=text("fail"), method=ECHO)
    error = failed.value
    assert (error.code, error.message) == (Code.NOT_FOUND, "no such thing é")
    assert error.details[0].value(StringValue) == text("fail")
    assert error.trailers["x-tail"] == "t"


def test_an_application_in_memory_is_of_the_clients_kind(echo: Echo) -> None:
    with pytest.raises(TypeError, match="InMemorySync"):
        ConnectClientSync("http://test", http_client=InMemory(echo.application))
    with pytest.raises(TypeError, match="InMemory"):
        ConnectClient("http://test", http_client=InMemorySync(SyncServices().application))
    with pytest.raises(ValueError, match="trailers"):
        in_memory_sync(ProtocolType.GRPC)


# Over httpx.


def httpx_client(*, http2: bool) -> httpx.AsyncClient:
    """A client with what httpx is set up by."""
    return httpx.AsyncClient(http1=not http2, http2=http2, headers={"x-mine": "1"}, trust_env=False)


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
@WITHOUT_TRAILERS
def test_calls_go_over_an_httpx_client(url: str, protocol: ProtocolType, http2: bool) -> None:
    async def main() -> None:
        async with httpx_client(http2=http2) as http:
            client = ConnectClient(url, protocol=protocol, http_client=http)
            with ResponseMetadata() as metadata:
                assert (await client.execute_unary(request=text("a"), method=ECHO)).value == "a"
            assert metadata.trailers["x-tail"] == "a"
            counted = client.execute_server_stream(request=text("3"), method=COUNT)
            assert [message.value async for message in counted] == ["0", "1", "2"]
            assert (await client.execute_client_stream(request=texts("a", "b"), method=SUM)).value == "a+b"
            if http2:
                talked = client.execute_bidi_stream(request=texts("x", "y"), method=TALK)
                assert [message.value async for message in talked] == ["X", "Y"]
            await _nothing_goes_on()

    asyncio.run(main(), debug=True)


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
@WITHOUT_TRAILERS
def test_calls_go_over_an_httpx_client_sync(url: str, protocol: ProtocolType, http2: bool) -> None:
    with httpx.Client(http1=not http2, http2=http2, trust_env=False) as http:
        client = ConnectClientSync(url, protocol=protocol, http_client=http)
        with ResponseMetadata() as metadata:
            assert client.execute_unary(request=text("a"), method=ECHO).value == "a"
        assert metadata.trailers["x-tail"] == "a"
        counted = client.execute_server_stream(request=text("3"), method=COUNT)
        assert [message.value for message in counted] == ["0", "1", "2"]
        assert client.execute_client_stream(request=[text("a"), text("b")], method=SUM).value == "a+b"


def test_calls_over_httpx_are_given_up_and_late(url: str, echo: Echo) -> None:
    async def main() -> None:
        async with httpx_client(http2=False) as http:
            client = ConnectClient(url, http_client=http)
            task = asyncio.create_task(client.execute_unary(request=text("wait"), method=ECHO))
            await asyncio.to_thread(echo.await_waiting)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(echo.await_cancelled)
            with pytest.raises(ConnectError) as late:
                await client.execute_unary(request=text("wait"), method=ECHO, timeout_ms=500)
            assert late.value.code is Code.DEADLINE_EXCEEDED
            await asyncio.to_thread(echo.await_cancelled)
            async for _ in client.execute_server_stream(request=text("100000000"), method=COUNT):
                break
            await asyncio.to_thread(echo.await_cancelled)
            await _nothing_goes_on()

    asyncio.run(main(), debug=True)
    with httpx.Client(trust_env=False) as http:
        client = ConnectClientSync(url, http_client=http)
        with pytest.raises(ConnectError) as late:
            client.execute_unary(request=text("wait"), method=ECHO, timeout_ms=500)
        assert late.value.code is Code.DEADLINE_EXCEEDED
        echo.await_cancelled()
        for _ in client.execute_server_stream(request=text("100000000"), method=COUNT):
            break
        echo.await_cancelled()


def test_a_server_that_httpx_cannot_reach_is_unavailable(closed_port: int) -> None:
    url = f"http://127.0.0.1:{closed_port}"

    async def main() -> None:
        async with httpx_client(http2=False) as http:
            with pytest.raises(ConnectError) as failed:
                await ConnectClient(url, http_client=http).execute_unary(request=text("a"), method=ECHO)
            assert failed.value.code is Code.UNAVAILABLE

    asyncio.run(main(), debug=True)
    with httpx.Client(trust_env=False) as http, pytest.raises(ConnectError) as failed:
        ConnectClientSync(url, http_client=http).execute_unary(request=text("a"), method=ECHO)
    assert failed.value.code is Code.UNAVAILABLE


def test_httpx_carries_no_grpc(url: str) -> None:
    async def main() -> None:
        async with httpx_client(http2=True) as http:
            with pytest.raises(ValueError, match="trailers"):
                ConnectClient(url, protocol=ProtocolType.GRPC, http_client=http)

    asyncio.run(main())
    with httpx.Client() as http, pytest.raises(ValueError, match="trailers"):
        ConnectClientSync(url, protocol=ProtocolType.GRPC, http_client=http)


def test_what_carries_calls_is_one_thing_that_is_known(url: str) -> None:
    with pytest.raises(TypeError, match=r"httpx\.AsyncClient"):
        ConnectClient(url, http_client=object())
    with pytest.raises(TypeError, match=r"httpx\.Client"):
        ConnectClientSync(url, http_client=object())
    with httpx.Client() as http, pytest.raises(ValueError, match="either"):
        ConnectClientSync(url, http_client=http, transport=Transport())


def test_a_closed_client_makes_no_calls(url: str, echo: Echo) -> None:
    with httpx.Client(trust_env=False) as http:
        given: list[dict[str, Any]] = [{}, {"http_client": http}]
        for settings in given:
            client = ConnectClientSync(url, **settings)
            assert client.execute_unary(request=text("a"), method=ECHO).value == "a"
            client.close()
            client.close()
            with pytest.raises(RuntimeError, match="closed"):
                client.execute_unary(request=text("a"), method=ECHO)
            with pytest.raises(RuntimeError, match="closed"):
                list(client.execute_server_stream(request=text("1"), method=COUNT))

    async def main() -> None:
        given: list[dict[str, Any]] = [{}, {"http_client": InMemory(echo.application)}]
        for settings in given:
            client = ConnectClient(url, **settings)
            assert (await client.execute_unary(request=text("a"), method=ECHO)).value == "a"
            await client.close()
            with pytest.raises(RuntimeError, match="closed"):
                await client.execute_unary(request=text("a"), method=ECHO)
            with pytest.raises(RuntimeError, match="closed"):
                async with client.execute_bidi_stream(method=TALK):
                    pass

    asyncio.run(main(), debug=True)
