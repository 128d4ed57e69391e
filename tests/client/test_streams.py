"""Streams of both clients: both ways at once, ends, cancellation, and bounded memory."""

import asyncio
import gc
import socket
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.client import ConnectClient, ConnectClientSync, ResponseMetadata, Transport
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.method import StreamType
from landbridge.protocol import ProtocolType

from tests.client.echo import COUNT, ECHO, SUM, TALK, Echo, text
from tests.client.raw_http1 import envelope, http1
from tests.package.echo import AsyncEcho
from tests.running.threads import TASKS, times_waited

AsyncTest = Callable[[ConnectClient], Coroutine[Any, Any, None]]
PROTOCOLS = pytest.mark.parametrize("protocol", list(ProtocolType), ids=lambda protocol: protocol.value)

UNCOMPRESSED: dict[str, Any] = {"send_compression": None, "accept_compression": ()}
"""What is counted in these tests is what goes over the wire."""

MANY_BYTES = 32 << 20
"""Far more than all buffers between two ends hold together."""


@pytest.fixture
def run(url: str) -> Callable[[AsyncTest, ProtocolType], None]:
    """Run a coroutine with an asynchronous client over HTTP/2, in asyncio's debug mode."""

    def run(body: AsyncTest, protocol: ProtocolType = ProtocolType.CONNECT) -> None:
        async def main() -> None:
            transport = Transport(http_version="2")
            async with ConnectClient(
                url, protocol=protocol, transport=transport, timeout_ms=60_000, **UNCOMPRESSED
            ) as client:
                await body(client)
            # Whatever works for a call has ended with it.
            assert asyncio.all_tasks() == {asyncio.current_task()}

        asyncio.run(main(), debug=True)

    return run


@pytest.fixture
def sync_client(url: str) -> Iterator[Callable[..., ConnectClientSync]]:
    """Make blocking clients over HTTP/2."""
    clients: list[ConnectClientSync] = []

    def make(protocol: ProtocolType = ProtocolType.CONNECT) -> ConnectClientSync:
        transport = Transport(http_version="2")
        clients.append(
            ConnectClientSync(url, protocol=protocol, transport=transport, timeout_ms=60_000, **UNCOMPRESSED)
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()


async def texts(*values: str) -> AsyncIterator[StringValue]:
    """Messages, asynchronously."""
    for value in values:
        yield text(value)


@PROTOCOLS
def test_messages_go_in_and_out_by_iterators(run: Any, protocol: ProtocolType) -> None:
    async def body(client: ConnectClient) -> None:
        counted = [
            message.value async for message in client.execute_server_stream(request=text("3"), method=COUNT)
        ]
        assert counted == ["0", "1", "2"]
        total = await client.execute_client_stream(request=texts("a", "b"), method=SUM)
        assert total.value == "a+b"
        # Ordinary iterators will do.
        total = await client.execute_client_stream(request=[text("c"), text("d")], method=SUM)
        assert total.value == "c+d"
        talked = client.execute_bidi_stream(request=texts("x", "y"), method=TALK)
        assert [message.value async for message in talked] == ["X", "Y"]
        assert talked.response_trailers["x-tail"] == "talk"

    run(body, protocol)


@PROTOCOLS
def test_messages_go_in_and_out_by_iterators_sync(sync_client: Any, protocol: ProtocolType) -> None:
    client = sync_client(protocol)
    counted = client.execute_server_stream(request=text("3"), method=COUNT)
    assert [message.value for message in counted] == ["0", "1", "2"]
    total = client.execute_client_stream(request=iter([text("a"), text("b")]), method=SUM)
    assert total.value == "a+b"
    talked = client.execute_bidi_stream(request=(text(value) for value in "xy"), method=TALK)
    assert [message.value for message in talked] == ["X", "Y"]
    assert talked.response_trailers["x-tail"] == "talk"


@PROTOCOLS
def test_both_ways_are_open_at_once(run: Any, protocol: ProtocolType) -> None:
    async def body(client: ConnectClient) -> None:
        async with client.execute_bidi_stream(method=TALK) as call:
            # Before any message has gone either way.
            assert (await call.response_headers())["x-head"] == "talk"
            for value in ("a", "b", "c"):
                await call.send(text(value))
                assert (await call.receive()).value == value.upper()
            with pytest.raises(RuntimeError, match="trailers"):
                _ = call.response_trailers
            await call.close_send()
            await call.close_send()
            for _ in range(2):
                with pytest.raises(EOFError):
                    await call.receive()
            with pytest.raises(EOFError):
                await call.send(text("late"))
            assert call.response_trailers["x-tail"] == "talk"

    run(body, protocol)


@PROTOCOLS
def test_a_half_closed_call_still_receives(run: Any, protocol: ProtocolType) -> None:
    async def body(client: ConnectClient) -> None:
        async with client.execute_bidi_stream(method=TALK) as call:
            await call.send(text("a"))
            await call.close_send()
            with pytest.raises(EOFError, match="takes no more"):
                await call.send(text("b"))
            assert (await call.receive()).value == "A"
            assert [message async for message in call] == []

    run(body, protocol)


def test_a_client_stream_is_sent_to_one_by_one(run: Any) -> None:
    async def body(client: ConnectClient) -> None:
        async with client.execute_client_stream(method=SUM) as call:
            await call.send(text("a"))
            await call.send(text("b"))
            assert (await call.receive()).value == "a+b"
            with pytest.raises(EOFError):
                await call.receive()

    run(body)


def test_a_client_stream_is_sent_to_one_by_one_sync(sync_client: Any) -> None:
    with sync_client().execute_client_stream(method=SUM) as call:
        call.send(text("a"))
        call.send(text("b"))
        assert call.receive().value == "a+b"
        with pytest.raises(EOFError):
            call.receive()


def test_the_coroutine_of_a_client_stream_can_be_a_task(run: Any) -> None:
    async def body(client: ConnectClient) -> None:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(client.execute_client_stream(request=texts("a"), method=SUM))
            second = group.create_task(client.execute_client_stream(request=texts("b"), method=SUM))
        assert (first.result().value, second.result().value) == ("a", "b")

    run(body)


def test_a_stream_with_an_iterator_is_not_sent_to(run: Any, sync_client: Any) -> None:
    async def body(client: ConnectClient) -> None:
        async with client.execute_bidi_stream(request=texts("a"), method=TALK) as call:
            with pytest.raises(RuntimeError, match="iterator"):
                await call.send(text("b"))
            with pytest.raises(RuntimeError, match="iterator"):
                await call.close_send()

    run(body)
    with sync_client().execute_bidi_stream(request=iter([text("a")]), method=TALK) as call:
        with pytest.raises(RuntimeError, match="iterator"):
            call.send(text("b"))
        with pytest.raises(RuntimeError, match="iterator"):
            call.close_send()


@PROTOCOLS
def test_leaving_the_block_cancels_on_the_wire(run: Any, echo: Echo, protocol: ProtocolType) -> None:
    async def body(client: ConnectClient) -> None:
        async with client.execute_server_stream(request=text("wait"), method=COUNT) as call:
            await call.response_headers()
            await asyncio.to_thread(echo.await_waiting)
        await asyncio.to_thread(echo.await_cancelled)
        async with client.execute_bidi_stream(method=TALK) as talk:
            await talk.send(text("wait"))
            await asyncio.to_thread(echo.await_waiting)
        await asyncio.to_thread(echo.await_cancelled)
        with pytest.raises(ConnectError) as cancelled:
            await talk.receive()
        assert cancelled.value.code is Code.CANCELED

    run(body, protocol)


@PROTOCOLS
def test_a_break_cancels_on_the_wire(run: Any, echo: Echo, protocol: ProtocolType) -> None:
    async def body(client: ConnectClient) -> None:
        async for _ in client.execute_server_stream(request=text("100000000"), method=COUNT):
            break
        await asyncio.to_thread(echo.await_cancelled)

    run(body, protocol)


@PROTOCOLS
def test_a_break_cancels_on_the_wire_sync(sync_client: Any, echo: Echo, protocol: ProtocolType) -> None:
    for _ in sync_client(protocol).execute_server_stream(request=text("100000000"), method=COUNT):
        break
    echo.await_cancelled()


def test_a_break_ends_the_iterator_of_requests_too(run: Any, echo: Echo) -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[StringValue]:
        try:
            yield text("a")
            yield text("wait")
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def body(client: ConnectClient) -> None:
        async for message in client.execute_bidi_stream(request=endless(), method=TALK):
            assert message.value == "A"
            break
        gc.collect()
        await asyncio.to_thread(echo.await_cancelled)
        async with asyncio.timeout(10):
            await closed.wait()
        await _nothing_goes_on()

    run(body)


def test_a_break_ends_the_iterator_of_requests_too_sync(sync_client: Any, echo: Echo) -> None:
    closed = threading.Event()
    broken = threading.Event()

    def endless() -> Iterator[StringValue]:
        try:
            yield text("a")
            yield text("wait")
            broken.wait()
            while True:
                yield text("b")
        finally:
            closed.set()

    for message in sync_client().execute_bidi_stream(request=endless(), method=TALK):
        assert message.value == "A"
        break
    gc.collect()
    echo.await_cancelled()
    broken.set()
    assert closed.wait(10)


def test_a_server_that_ends_early_ends_the_iterator_of_requests(run: Any) -> None:
    closed = []

    async def endless() -> AsyncIterator[StringValue]:
        try:
            yield text("a")
            yield text("bye")
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def body(client: ConnectClient) -> None:
        call = client.execute_bidi_stream(request=endless(), method=TALK)
        assert [message.value async for message in call] == ["A"]
        await _nothing_goes_on()
        assert closed == [True]

    run(body)


def test_a_server_that_has_enough_answers_a_client_stream(run: Any, sync_client: Any) -> None:
    async def body(client: ConnectClient) -> None:
        async def requests() -> AsyncIterator[StringValue]:
            yield text("a")
            yield text("enough")
            await asyncio.Event().wait()

        answer = await client.execute_client_stream(request=requests(), method=SUM)
        assert answer.value == "a"

    run(body)

    def requests() -> Iterator[StringValue]:
        yield text("a")
        while True:
            yield text("enough")

    assert sync_client().execute_client_stream(request=requests(), method=SUM).value == "a"


def test_what_an_iterator_raises_fails_the_call(run: Any, sync_client: Any, echo: Echo) -> None:
    class OwnError(Exception):
        pass

    async def broken() -> AsyncIterator[StringValue]:
        yield text("wait")
        await asyncio.to_thread(echo.await_waiting)
        raise OwnError

    async def body(client: ConnectClient) -> None:
        with pytest.raises(OwnError):
            await client.execute_client_stream(request=broken(), method=SUM)
        await asyncio.to_thread(echo.await_cancelled)
        with pytest.raises(OwnError):
            async for _ in client.execute_bidi_stream(request=broken(), method=TALK):
                pass
        await asyncio.to_thread(echo.await_cancelled)

    run(body)

    def broken_sync() -> Iterator[StringValue]:
        yield text("wait")
        echo.await_waiting()
        raise OwnError

    client = sync_client()
    with pytest.raises(OwnError):
        client.execute_client_stream(request=broken_sync(), method=SUM)
    echo.await_cancelled()
    with pytest.raises(OwnError):
        list(client.execute_bidi_stream(request=broken_sync(), method=TALK))
    echo.await_cancelled()


@PROTOCOLS
def test_threads_share_a_stream(sync_client: Any, echo: Echo, protocol: ProtocolType) -> None:
    received: list[str] = []
    failures: list[BaseException] = []
    some = threading.Semaphore(0)

    def receive(call: Any) -> None:
        try:
            for message in call:
                received.append(message.value)
                some.release()
        except BaseException as error:
            failures.append(error)

    with sync_client(protocol).execute_bidi_stream(method=TALK) as call:
        receiver = threading.Thread(target=receive, args=(call,))
        receiver.start()
        sender = threading.Thread(target=lambda: [call.send(text(f"m{number}")) for number in range(100)])
        sender.start()
        sender.join()
        for _ in range(100):
            assert some.acquire(timeout=20)
        call.send(text("wait"))
        echo.await_waiting()
        canceller = threading.Thread(target=call.cancel)
        canceller.start()
        canceller.join()
        receiver.join()
        echo.await_cancelled()
        with pytest.raises(ConnectError) as refused:
            call.send(text("late"))
    assert received == [f"M{number}" for number in range(100)]
    (failure,) = failures
    assert isinstance(failure, ConnectError)
    assert failure.code is refused.value.code is Code.CANCELED


def test_sending_waits_for_a_server_that_does_not_read(run: Any, echo: Echo) -> None:
    message = text("." * (64 << 10))
    offered = 0

    async def many() -> AsyncIterator[StringValue]:
        nonlocal offered
        for _ in range(MANY_BYTES // len(message.value)):
            offered += len(message.value)
            yield message

    async def body(client: ConnectClient) -> None:
        call = asyncio.create_task(
            client.execute_client_stream(request=many(), method=SUM, headers={"x-slow": "1"})
        )
        await _settled(lambda: offered)
        assert 0 < offered < MANY_BYTES / 4
        echo.go_on.set()
        await call
        assert offered == MANY_BYTES

    run(body)


def test_sending_waits_for_a_server_that_does_not_read_sync(sync_client: Any, echo: Echo) -> None:
    message = text("." * (64 << 10))
    offered = 0

    def many() -> Iterator[StringValue]:
        nonlocal offered
        for _ in range(MANY_BYTES // len(message.value)):
            offered += len(message.value)
            yield message

    client = sync_client()

    async def look() -> None:
        await _settled(lambda: offered)
        assert 0 < offered < MANY_BYTES / 4
        echo.go_on.set()

    looking = threading.Thread(target=lambda: asyncio.run(look()))
    looking.start()
    client.execute_client_stream(request=many(), method=SUM, headers={"x-slow": "1"})
    looking.join()
    assert offered == MANY_BYTES


@PROTOCOLS
def test_a_server_waits_for_a_client_that_does_not_read(run: Any, echo: Echo, protocol: ProtocolType) -> None:
    size = 16 << 10
    messages = MANY_BYTES // size

    async def body(client: ConnectClient) -> None:
        headers = {"x-size": str(size)}
        async with client.execute_server_stream(
            request=text(str(messages)), method=COUNT, headers=headers
        ) as call:
            await call.receive()
            await _settled(lambda: echo.sent)
            assert echo.sent < messages / 4
            count = 1
            async for _ in call:
                count += 1
            assert count == messages

    run(body, protocol)


async def _nothing_goes_on() -> None:
    """Wait until what has worked for calls has ended."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _, left = await asyncio.wait(others, timeout=10)
        assert not left


async def _settled(look: Callable[[], int]) -> None:
    """Wait until nothing has changed for a while."""
    before, same = -1, 0
    while same < 20:
        await asyncio.sleep(0.02)
        now = look()
        same = same + 1 if now == before and now > 0 else 0
        before = now


def test_cancelling_the_wait_for_a_message_loses_nothing(run: Any) -> None:
    async def body(client: ConnectClient) -> None:
        async with client.execute_bidi_stream(method=TALK) as call:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await call.receive()
            await call.send(text("a"))
            assert (await call.receive()).value == "A"

    run(body)


def test_metadata_is_told_when_a_stream_ends(run: Any) -> None:
    async def body(client: ConnectClient) -> None:
        with ResponseMetadata() as metadata:
            async for _ in client.execute_server_stream(request=text("1"), method=COUNT):
                pass
        assert metadata.http_status == 200
        assert metadata.trailers["x-tail"] == "1"

    run(body)


def test_a_stream_that_is_never_used_is_never_made(run: Any, sync_client: Any, echo: Echo) -> None:
    async def body(client: ConnectClient) -> None:
        client.execute_bidi_stream(method=TALK)
        client.execute_server_stream(request=text("wait"), method=COUNT)
        await client.execute_client_stream(request=[], method=SUM)

    run(body)
    sync_client().execute_server_stream(request=text("wait"), method=COUNT)
    assert not echo.waiting.acquire(blocking=False)


def _sent_at_once(listener: socket.socket) -> bytes:
    """What a client sends before it is read from again; answers it with no message."""
    peer, _ = listener.accept()
    with peer:
        sent = peer.recv(1 << 16)
        peer.sendall(http1(envelope(b"grpc-status: 0\r\n", 0x80), "application/grpc-web+proto"))
    return sent


@pytest.mark.parametrize("by_iterator", [False, True], ids=["one by one", "by an iterator"])
def test_messages_given_at_once_leave_with_the_head(sync_client: Any, by_iterator: bool) -> None:
    # A server of HTTP/1.1 may stop reading as soon as it has begun to answer.
    other = sync_client()

    def messages() -> Iterator[StringValue]:
        for word in ("first", "second", "third"):
            yield text(word)
            # The event loop stands still, and what it has asked for before is done when this is answered.
            other.execute_unary(request=text("hi"), method=ECHO)

    async def main(listener: socket.socket) -> bytes:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with ConnectClient(url, protocol=ProtocolType.GRPC_WEB, **UNCOMPRESSED) as client:
            request = messages() if by_iterator else None
            async with client.execute_bidi_stream(request=request, method=TALK) as call:
                if request is None:
                    for message in messages():
                        await call.send(message)
                    await call.close_send()
                sent = await asyncio.to_thread(_sent_at_once, listener)
                assert [message async for message in call] == []
                return sent

    with socket.create_server(("127.0.0.1", 0)) as listener:
        sent = asyncio.run(main(listener))
    content = sent.partition(b"\r\n\r\n")[2]
    assert content == b"".join(envelope(message.SerializeToString()) for message in messages())


def test_a_stream_given_up_at_once_is_never_made(run: Any, sync_client: Any, echo: Echo) -> None:
    async def body(client: ConnectClient) -> None:
        call = client.execute_bidi_stream(method=TALK)
        async with call:
            await call.send(text("wait"))
            # As above.
            sync_client().execute_unary(request=text("hi"), method=ECHO)
            call.cancel()
            with pytest.raises(ConnectError, match="cancelled by its caller"):
                await call.receive()
        await client.execute_unary(request=text("hi"), method=ECHO)

    run(body)
    assert echo.received == 0
    assert not echo.waiting.acquire(blocking=False)


@pytest.mark.parametrize("way", ["receiving", "sending"])
def test_a_stream_that_never_waits_lets_others_have_the_loop(run: Any, sync_client: Any, way: str) -> None:
    other, messages, most = sync_client(), 100, 32

    async def body(client: ConnectClient) -> None:
        turns = in_a_row = longest = 0

        async def take_turns() -> None:
            nonlocal turns, in_a_row
            while True:
                turns += 1
                in_a_row = 0
                await asyncio.sleep(0)

        def seen() -> None:
            nonlocal in_a_row, longest
            in_a_row += 1
            longest = max(longest, in_a_row)
            # By when this is answered the next message is there, or the last one has left.
            other.execute_unary(request=text("hi"), method=ECHO)

        others = asyncio.create_task(take_turns())
        if way == "receiving":
            async for _ in client.execute_server_stream(request=text(str(messages)), method=COUNT):
                seen()
        else:
            async with client.execute_client_stream(method=SUM) as call:
                for _ in range(messages):
                    await call.send(text("a"))
                    seen()
        others.cancel()
        with pytest.raises(asyncio.CancelledError):
            await others
        assert 2 <= longest <= most
        assert turns >= messages // most

    run(body)


def test_messages_and_receivers_keep_their_order_whoever_they_are(run: Any) -> None:
    values = [str(number) for number in range(100)]

    async def body(client: ConnectClient) -> None:
        async with client.execute_bidi_stream(method=TALK) as call:
            await asyncio.gather(*(call.send(text(value)) for value in values))
            await call.close_send()
            assert [message.value async for message in call] == values
        async with client.execute_server_stream(request=text("100"), method=COUNT) as counted:
            received = await asyncio.gather(*(counted.receive() for _ in values))
            assert [message.value for message in received] == values

    run(body)


def test_a_stream_is_on_its_way_once_the_loop_goes_on(run: Any, echo: Echo) -> None:
    async def body(client: ConnectClient) -> None:
        async with client.execute_bidi_stream(method=TALK) as call:
            await call.send(text("wait"))
            await asyncio.sleep(0)
            # The loop stands still from here on.
            echo.await_waiting()

    run(body)


class _Passing:
    """Interceptors that change nothing."""

    async def intercept_bidi_stream(self, call_next: Any, request: Any, ctx: Any) -> AsyncIterator[Any]:
        async for response in call_next(request, ctx):
            yield response

    def intercept_bidi_stream_sync(self, call_next: Any, request: Any, ctx: Any) -> Iterator[Any]:
        yield from call_next(request, ctx)


@pytest.mark.parametrize("interceptors", [[], [_Passing()]], ids=["direct", "intercepted"])
def test_a_stream_given_up_before_it_began_never_begins(
    url: str, echo: Echo, interceptors: list[Any]
) -> None:
    async def body() -> None:
        async with ConnectClient(url, interceptors=interceptors) as client:
            for give_up in ("cancel", "aclose"):
                stream = client.execute_bidi_stream(method=TALK)
                done = getattr(stream, give_up)()
                if done is not None:
                    await done
                with pytest.raises(ConnectError, match="cancelled by its caller") as refused:
                    await stream.send(text("wait"))
                assert refused.value.code is Code.CANCELED
                with pytest.raises(ConnectError, match="cancelled by its caller"):
                    await stream.receive()

    asyncio.run(body())
    with ConnectClientSync(url, interceptors=interceptors) as client:
        for give_up in ("cancel", "close"):
            stream = client.execute_bidi_stream(method=TALK)
            getattr(stream, give_up)()
            with pytest.raises(ConnectError, match="cancelled by its caller"):
                stream.send(text("wait"))
            with pytest.raises(ConnectError, match="cancelled by its caller"):
                stream.receive()
    assert echo.received == 0


@pytest.mark.parametrize("kind", ["asynchronous", "blocking"])
def test_nothing_is_received_behind_a_cancellation(run: Any, sync_client: Any, kind: str) -> None:
    # A server that is fast enough has always something on its way.
    flood: dict[str, Any] = {"request": text("1000000"), "method": COUNT, "headers": {"x-size": "2000"}}

    async def body(client: ConnectClient) -> None:
        for taken in range(30):
            call = client.execute_server_stream(**flood)
            for _ in range(taken + 1):
                await call.receive()
            call.cancel()
            with pytest.raises(ConnectError, match="cancelled by its caller"):
                await call.receive()

    if kind == "asynchronous":
        run(body)
        return
    client = sync_client()
    for taken in range(30):
        call = client.execute_server_stream(**flood)
        for _ in range(taken + 1):
            call.receive()
        call.cancel()
        with pytest.raises(ConnectError, match="cancelled by its caller"):
            call.receive()


def test_a_wait_that_was_given_up_leaves_nothing(run: Any) -> None:
    def futures() -> int:
        return sum(isinstance(thing, asyncio.Future) for thing in gc.get_objects())

    async def body(client: ConnectClient) -> None:
        async with client.execute_bidi_stream(method=TALK) as call:
            await call.response_headers()
            before = futures()
            for _ in range(100):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(call.receive(), 0.0001)
            assert futures() <= before + 2
            await call.send(text("a"))
            assert (await call.receive()).value == "A"

    run(body)


@pytest.mark.parametrize("left", ["a stream that is kept", "a call that was not made yet"])
def test_an_event_loop_that_is_closed_goes_with_its_streams(url: str, left: str) -> None:
    kept: list[Any] = []

    async def wait(client: ConnectClient) -> None:
        stream = client.execute_bidi_stream(method=TALK)
        kept.append(stream)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.receive(), 0.0001)

    async def stop(client: ConnectClient) -> None:
        async with client.execute_bidi_stream(method=TALK) as stream:
            asyncio.get_running_loop().stop()
            await stream.receive()

    async def main() -> None:
        async with ConnectClient(url, transport=Transport(http_version="2")) as client:
            await (stop if left.startswith("a call") else wait)(client)

    def run_and_close() -> weakref.ref[asyncio.AbstractEventLoop]:
        loop = asyncio.new_event_loop()
        # What is destroyed while it waits is what this is about.
        loop.set_exception_handler(lambda *_: None)
        task = loop.create_task(main())
        task.add_done_callback(lambda _: loop.stop())
        loop.run_forever()
        loop.close()
        return weakref.ref(loop)

    closed = run_and_close()
    kept.clear()
    gc.collect()
    assert closed() is None


@pytest.mark.skipif(not TASKS.exists(), reason="what a thread did is read from /proc")
@pytest.mark.parametrize("reader", ["a client", "a server"])
def test_a_reader_that_is_slower_than_its_peer_seldom_wakes_the_thread_that_reads_for_it(
    serve: Any, reader: str
) -> None:
    messages = 2_000
    message = text("." * 1_000)

    def be_slow(_message: StringValue) -> None:
        for _ in range(5_000):
            pass

    async def count(_request: StringValue, _ctx: Any) -> AsyncIterator[StringValue]:
        for _ in range(messages):
            yield message

    async def total(requests: AsyncIterator[StringValue], _ctx: Any) -> StringValue:
        number = 0
        async for request in requests:
            be_slow(request)
            number += 1
        return text(str(number))

    application = AsyncEcho(
        {"Count": (StreamType.SERVER_STREAM, count), "Sum": (StreamType.CLIENT_STREAM, total)}
    )
    url = f"http://127.0.0.1:{serve(application)}"
    with ConnectClientSync(url, transport=Transport(http_version="2"), **UNCOMPRESSED) as client:
        if reader == "a client":
            responses = client.execute_server_stream(request=text("all"), method=COUNT)
            number = sum(1 for _ in map(be_slow, responses))
            waits = times_waited("landbridge-calls")
        else:
            requests = (message for _ in range(messages))
            number = int(client.execute_client_stream(request=requests, method=SUM).value)
            waits = times_waited("landbridge-io-")
    assert number == messages
    # Once for what half of the room holds, and now and then for the socket.
    assert waits < messages / 5
