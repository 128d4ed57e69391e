"""What asyncio's users rely on: cancellation, timeouts, groups of tasks, several loops, uvloop."""

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop
from landbridge.client import ConnectClient, ResponseMetadata, Transport
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.protocol import ProtocolType

from tests.client.conftest import Serve
from tests.client.echo import COUNT, ECHO, SUM, TALK, Echo, call_in_time, text

Run = Callable[[Coroutine[Any, Any, None]], None]

PROTOCOLS = pytest.mark.parametrize("protocol", list(ProtocolType), ids=lambda protocol: protocol.value)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine on each event loop, in debug mode."""

    def run(body: Coroutine[Any, Any, None]) -> None:
        make = uvloop.new_event_loop if request.param == "uvloop" else None
        with asyncio.Runner(debug=True, loop_factory=make) as runner:
            runner.run(body)

    return run


@PROTOCOLS
@pytest.mark.parametrize("http_version", ["1.1", "2"])
def test_cancelling_the_task_cancels_the_call_on_the_wire(
    run: Run, url: str, echo: Echo, protocol: ProtocolType, http_version: Any
) -> None:
    if protocol is ProtocolType.GRPC:
        http_version = "2"

    async def body() -> None:
        transport = Transport(http_version=http_version)
        async with ConnectClient(url, protocol=protocol, transport=transport) as client:
            calls: list[Coroutine[Any, Any, Any]] = [
                client.execute_unary(request=text("wait"), method=ECHO),
                client.execute_client_stream(request=[text("wait")], method=SUM),
                anext(client.execute_server_stream(request=text("wait"), method=COUNT)),
                anext(client.execute_bidi_stream(request=[text("wait")], method=TALK)),
            ]
            for call in calls:
                task = asyncio.create_task(call)
                await asyncio.to_thread(echo.await_waiting)
                task.cancel("because")
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert task.cancelled()
                await asyncio.to_thread(echo.await_cancelled)
            # The client is as good as before.
            assert (await client.execute_unary(request=text("a"), method=ECHO)).value == "a"

    run(body())


@PROTOCOLS
def test_a_timeout_of_asyncio_is_a_timeout_error(
    run: Run, url: str, echo: Echo, protocol: ProtocolType
) -> None:
    async def body() -> None:
        async with ConnectClient(url, protocol=protocol) as client:
            with pytest.raises(TimeoutError):
                await call_in_time(client, echo)
            await asyncio.to_thread(echo.await_cancelled)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.execute_unary(request=text("wait"), method=ECHO), 0.02)

    run(body())


@PROTOCOLS
def test_a_deadline_is_an_error_of_the_call(run: Run, url: str, echo: Echo, protocol: ProtocolType) -> None:
    async def body() -> None:
        async with ConnectClient(url, protocol=protocol, timeout_ms=500) as client:
            with pytest.raises(ConnectError) as late:
                await client.execute_unary(request=text("wait"), method=ECHO)
            assert late.value.code is Code.DEADLINE_EXCEEDED
            await asyncio.to_thread(echo.await_cancelled)
            with pytest.raises(ConnectError) as late:
                async for _ in client.execute_server_stream(request=text("wait"), method=COUNT):
                    pass
            assert late.value.code is Code.DEADLINE_EXCEEDED
            for timeout in (0, -1):
                with pytest.raises(ConnectError) as late:
                    await client.execute_unary(request=text("a"), method=ECHO, timeout_ms=timeout)
                assert late.value.code is Code.DEADLINE_EXCEEDED

    run(body())


def test_a_group_of_tasks_cancels_the_calls_of_the_others(run: Run, url: str, echo: Echo) -> None:
    class OwnError(Exception):
        pass

    async def body() -> None:
        async with ConnectClient(url) as client:

            async def calls_and_an_error() -> None:
                async with asyncio.TaskGroup() as group:
                    for _ in range(3):
                        group.create_task(client.execute_unary(request=text("wait"), method=ECHO))
                    for _ in range(3):
                        await asyncio.to_thread(echo.await_waiting)
                    raise OwnError

            with pytest.raises(ExceptionGroup) as failed:
                await calls_and_an_error()
            assert failed.group_contains(OwnError)
            for _ in range(3):
                await asyncio.to_thread(echo.await_cancelled)

    run(body())


def test_many_calls_at_once_share_a_connection(run: Run, url: str) -> None:
    async def body() -> None:
        async with ConnectClient(url, transport=Transport(http_version="2")) as client:
            calls = (client.execute_unary(request=text(str(number)), method=ECHO) for number in range(500))
            responses = await asyncio.gather(*calls)
            assert [response.value for response in responses] == [str(number) for number in range(500)]

    run(body())


def test_one_client_serves_several_loops_at_once(url: str) -> None:
    client = ConnectClient(url)
    ready = threading.Barrier(4)
    failures: list[BaseException] = []

    def use(number: int) -> None:
        async def body() -> None:
            ready.wait(20)
            for turn in range(50):
                expected = f"{number}.{turn}"
                response = await client.execute_unary(request=text(expected), method=ECHO)
                assert response.value == expected
            counted = client.execute_server_stream(request=text("50"), method=COUNT)
            assert len([message async for message in counted]) == 50

        try:
            asyncio.run(body(), debug=True)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    asyncio.run(client.close())


def test_a_loop_that_stands_still_holds_up_no_other(url: str) -> None:
    client = ConnectClient(url)
    stuck = threading.Event()
    go_on = threading.Event()

    async def stand_still() -> None:
        call = asyncio.create_task(client.execute_unary(request=text("a"), method=ECHO))
        await asyncio.sleep(0)
        stuck.set()
        assert go_on.wait(20)
        assert (await call).value == "a"

    async def call() -> None:
        for _ in range(100):
            assert (await client.execute_unary(request=text("b"), method=ECHO)).value == "b"

    thread = threading.Thread(target=lambda: asyncio.run(stand_still()))
    thread.start()
    assert stuck.wait(20)
    asyncio.run(call())
    go_on.set()
    thread.join()
    asyncio.run(client.close())


def test_one_client_serves_one_loop_after_the_other(url: str, echo: Echo) -> None:
    client = ConnectClient(url)

    async def leave_calls_behind() -> None:
        assert (await client.execute_unary(request=text("a"), method=ECHO)).value == "a"
        # The loop's end cancels it.
        task = asyncio.create_task(client.execute_unary(request=text("wait"), method=ECHO))
        await asyncio.to_thread(echo.await_waiting)
        assert not task.done()

    for _ in range(3):
        asyncio.run(leave_calls_behind(), debug=True)
        echo.await_cancelled()
    asyncio.run(client.close())


def test_a_loop_that_is_closed_with_calls_in_flight_is_no_trouble(url: str, echo: Echo) -> None:
    client = ConnectClient(url)
    loop = asyncio.new_event_loop()
    stream = client.execute_server_stream(request=text("wait"), method=COUNT)
    loop.run_until_complete(stream.response_headers())
    loop.close()
    echo.await_waiting()
    stream.cancel()
    echo.await_cancelled()
    asyncio.run(client.close())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_eager_tasks_make_calls(url: str, echo: Echo) -> None:
    async def body() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined, unused-ignore]
        async with ConnectClient(url) as client:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(client.execute_unary(request=text("a"), method=ECHO)) for _ in range(10)
                ]
            assert {task.result().value for task in tasks} == {"a"}
            task = asyncio.create_task(client.execute_unary(request=text("wait"), method=ECHO))
            await asyncio.to_thread(echo.await_waiting)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(echo.await_cancelled)

    asyncio.run(body(), debug=True)


def test_a_client_that_is_dropped_closes_its_connections(serve: Serve, echo: Echo) -> None:
    port = serve(echo.application)

    async def body() -> None:
        client = ConnectClient(f"http://127.0.0.1:{port}", transport=Transport())
        assert (await client.execute_unary(request=text("a"), method=ECHO)).value == "a"

    # That no thread is left says that no channel is.
    asyncio.run(body())


@pytest.fixture
def nested(url: str) -> Iterator[ConnectClient]:
    """A client, closed with the test."""
    client = ConnectClient(url)
    yield client
    asyncio.run(client.close())


def test_metadata_is_that_of_the_innermost_block(nested: ConnectClient) -> None:
    async def body() -> None:
        with ResponseMetadata() as outer:
            await nested.execute_unary(request=text("a"), method=ECHO)
            with ResponseMetadata() as inner:
                await nested.execute_unary(request=text("b"), method=ECHO)
            assert inner.headers["x-head"] == "b"
            assert outer.headers["x-head"] == "a"
            await nested.execute_unary(request=text("c"), method=ECHO)
        await nested.execute_unary(request=text("d"), method=ECHO)
        assert outer.headers["x-head"] == outer.trailers["x-tail"] == "c"
        assert inner.trailers["x-tail"] == "b"

    asyncio.run(body())


def test_metadata_is_that_of_the_tasks_own_calls(nested: ConnectClient) -> None:
    async def call(value: str) -> str:
        with ResponseMetadata() as metadata:
            await asyncio.gather(nested.execute_unary(request=text(value), method=ECHO))
            await nested.execute_unary(request=text(f"{value}!"), method=ECHO)
        return metadata.headers["x-head"]

    async def body() -> None:
        values = [str(number) for number in range(20)]
        assert await asyncio.gather(*map(call, values)) == [f"{value}!" for value in values]

    asyncio.run(body())


def test_metadata_starts_empty_and_stays_so_where_nothing_answers(closed_port: int) -> None:
    async def body() -> None:
        async with ConnectClient(f"http://127.0.0.1:{closed_port}") as client:
            with ResponseMetadata() as metadata:
                assert metadata.http_status is None
                with pytest.raises(ConnectError):
                    await client.execute_unary(request=text("a"), method=ECHO)
                assert metadata.http_status is None
                assert not metadata.headers
                assert not metadata.trailers

    asyncio.run(body())
