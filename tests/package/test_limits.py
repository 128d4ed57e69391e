"""Limits and times of a server: each acts, and acts where it should."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import httpx
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.method import StreamType
from landbridge.request import RequestContext
from landbridge.serving import Limits, TlsConfig

from tests.package.certificates import Authority, dns
from tests.package.conftest import Serve
from tests.package.echo import SERVICE, AsyncEcho, SyncEcho, stub, text, unary

Channel = Callable[[int], grpc.Channel]
Context = RequestContext[Any, Any]


async def echo(request: StringValue, _ctx: Context) -> StringValue:
    """Answer with the request."""
    return request


def echo_sync(request: StringValue, _ctx: Context) -> StringValue:
    """Answer with the request."""
    return request


def ends(connection: socket.socket) -> bool:
    """Whether the other side closes, before anybody would give up waiting."""
    connection.settimeout(20)
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("application", [AsyncEcho, SyncEcho])
def test_a_message_beyond_read_max_bytes_is_refused_in_every_form(
    application: Any, serve: Serve, channel: Channel
) -> None:
    handler = echo if application is AsyncEcho else echo_sync
    port = serve(application(unary(handler), read_max_bytes=1000))
    url = f"http://127.0.0.1:{port}/{SERVICE}/Echo"
    assert httpx.post(url, json="x" * 900).status_code == 200
    too_large = httpx.post(url, json="x" * 1001)
    assert (too_large.status_code, too_large.json()["code"]) == (429, "resource_exhausted")
    # It is the size after decompression that counts: these are a hundred bytes on the wire.
    with pytest.raises(grpc.RpcError) as caught:
        stub(channel(port))(text("x" * 100_000), compression=grpc.Compression.Gzip)
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert stub(channel(port))(text("x")).value == "x"


def test_without_read_max_bytes_there_is_no_limit(serve: Serve) -> None:
    port = serve(AsyncEcho(unary(echo), read_max_bytes=None))
    answer = httpx.post(f"http://127.0.0.1:{port}/{SERVICE}/Echo", json="x" * (8 << 20), timeout=60)
    assert len(answer.json()) == 8 << 20


@pytest.mark.parametrize("application", [AsyncEcho, SyncEcho])
def test_waiting_calls_are_served_in_their_turn_and_no_more_of_them_than_may_wait(
    application: Any, serve: Serve, channel: Channel
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def wait(request: StringValue, _ctx: Context) -> StringValue:
        began.set()
        go_on.wait(30)
        return request

    port = serve(application(unary(wait)), threads=1, limits=Limits(max_waiting_calls=2))
    calls = stub(channel(port))
    first = calls.future(text("0"))
    assert began.wait(10)
    rest = [calls.future(text(str(number))) for number in range(1, 6)]
    # Three find the queue full; which ones is the network's choice.
    refused = [next_done(rest) for _ in range(3)]
    for call in refused:
        error: Any = call.exception()
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "every handler thread of the server is busy and its queue is full" in error.details()
    go_on.set()
    assert first.result().value == "0"
    assert {call.result().value for call in rest} <= set("12345")
    assert len(rest) == 2


def test_a_blocking_handler_does_not_begin_once_its_caller_has_gone(serve: Serve, channel: Channel) -> None:
    began, go_on, seen = threading.Event(), threading.Event(), list[str]()

    def wait(request: StringValue, _ctx: Context) -> StringValue:
        seen.append(request.value)
        began.set()
        go_on.wait(30)
        return request

    port = serve(AsyncEcho(unary(wait)), threads=1, limits=Limits(max_waiting_calls=1))
    calls = stub(channel(port))
    first = calls.future(text("first"))
    assert began.wait(10)
    with pytest.raises(grpc.RpcError) as caught:
        calls(text("late"), timeout=0.2)
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED

    # Its place in the queue is free once the server has seen it go. Whoever has it then is not refused with
    # those that come behind.
    def is_refused(call: Any) -> bool:
        other = calls.future(text("other"))
        refused = next_done([call, other])
        other.cancel()
        return refused is call

    last = calls.future(text("last"))
    # Twice, as the refusals of two calls may come in any order.
    while is_refused(last) or is_refused(last):
        last = calls.future(text("last"))
    go_on.set()
    assert [first.result().value, last.result().value] == seen == ["first", "last"]


def test_handler_threads_are_as_many_as_were_asked_for(serve: Serve, channel: Channel) -> None:
    everybody_came = threading.Barrier(3, timeout=30)

    def meet(request: StringValue, _ctx: Context) -> StringValue:
        everybody_came.wait()
        return request

    port = serve(AsyncEcho(unary(meet)), threads=3, limits=Limits(max_waiting_calls=0))
    calls = stub(channel(port))
    for _ in range(3):
        assert [call.result().value for call in [calls.future(text(letter)) for letter in "abc"]] == list(
            "abc"
        )


def next_done(calls: list[Any]) -> Any:
    """Wait for any of these calls, and take it out."""
    done = threading.Event()
    for call in calls:
        call.add_done_callback(lambda _: done.set())
    assert done.wait(10)
    call = next(call for call in calls if call.done())
    calls.remove(call)
    return call


def test_connections_beyond_the_limit_are_closed_at_once(serve: Serve) -> None:
    port = serve(AsyncEcho(unary(echo)), limits=Limits(max_connections=2))
    url = f"http://127.0.0.1:{port}/{SERVICE}/Echo"
    with httpx.Client() as one, httpx.Client() as two:
        assert one.post(url, json="a").json() == two.post(url, json="a").json() == "a"
        with socket.create_connection(("127.0.0.1", port)) as third:
            assert ends(third)
        assert one.post(url, json="b").json() == "b"


class Http2:
    """A bare HTTP/2 client."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(20)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self._received = bytearray()
        self.flush()

    def flush(self) -> None:
        """Send what is to be sent."""
        self.socket.sendall(self.h2.data_to_send())

    def until(self, *kinds: type[h2.events.Event]) -> Any:
        """Wait for an event, of any of these kinds."""
        while True:
            data = self.socket.recv(65536)
            assert data, f"closed before {kinds}"
            self._received += data
            events = self.h2.receive_data(data)
            self.flush()
            for event in events:
                if isinstance(event, kinds):
                    return event

    def until_asked_to_go(self) -> None:
        """Wait for a GOAWAY, of which h2 takes only one and then nothing."""
        while not self.is_asked_to_go:
            data = self.socket.recv(65536)
            assert data, "closed without a GOAWAY"
            self._received += data

    @property
    def is_asked_to_go(self) -> bool:
        """Whether a GOAWAY has come."""
        return GOAWAY in frame_types(self._received)

    def call(self, stream: int, *, ends: bool, content_type: str = "application/json") -> None:
        """Begin a call, or make one in Connect."""
        head = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "x"),
            (":path", f"/{SERVICE}/Echo"),
            ("content-type", content_type),
        ]
        self.h2.send_headers(stream, head)
        if ends:
            self.h2.send_data(stream, b'"a"', end_stream=True)
        self.flush()


GOAWAY = 7
"""The type of that frame."""


def frame_types(data: bytes | bytearray) -> Iterator[int]:
    """The types of the frames that have come (RFC 9113 section 4.1)."""
    while len(data) >= 9:
        yield data[3]
        data = data[9 + int.from_bytes(data[:3], "big") :]


@contextmanager
def http2(port: int) -> Iterator[Http2]:
    """A connection whose settings were exchanged."""
    client = Http2(port)
    with client.socket:
        client.until(h2.events.RemoteSettingsChanged)
        yield client


def test_streams_beyond_the_limit_of_a_connection_are_refused(serve: Serve) -> None:
    port = serve(AsyncEcho(unary(echo)), limits=Limits(max_streams_per_connection=2))
    with http2(port) as client:
        limit = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS
        assert client.h2.remote_settings[limit] == 2
        # As a client does that has not seen it.
        client.h2.remote_settings[limit] = 100
        client.h2.remote_settings.acknowledge()
        client.call(1, ends=False)
        client.call(3, ends=False)
        client.call(5, ends=True)
        reset = client.until(h2.events.StreamReset)
        assert (reset.stream_id, reset.error_code) == (5, h2.errors.ErrorCodes.REFUSED_STREAM)
        client.h2.send_data(1, b'"a"', end_stream=True)
        client.flush()
        assert client.until(h2.events.ResponseReceived).stream_id == 1


def test_headers_beyond_the_limit_are_refused(serve: Serve) -> None:
    port = serve(AsyncEcho(unary(echo)), limits=Limits(max_header_bytes=9000))
    url = f"http://127.0.0.1:{port}/{SERVICE}/Echo"
    for http2 in (False, True):
        with httpx.Client(http1=not http2, http2=http2) as client:
            assert client.post(url, json="a", headers={"x-long": "x" * 8000}).status_code == 200
            assert client.post(url, json="a", headers={"x-long": "x" * 9000}).status_code == 431


def test_a_client_that_says_nothing_or_half_a_head_is_closed_after_header_timeout(serve: Serve) -> None:
    port = serve(AsyncEcho(unary(echo)), limits=Limits(header_timeout=0.1))
    for said in (b"", b"POST /x HTTP/1.1\r\nhost: x\r\n"):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(said)
            assert ends(connection)


def test_a_client_that_is_silent_within_its_request_gets_deadline_exceeded_and_leaves_its_place(
    serve: Serve,
) -> None:
    port = serve(AsyncEcho(unary(echo)), limits=Limits(receive_timeout=0.1, max_concurrent_calls=1))
    address = ("127.0.0.1", port)
    head = f"POST /{SERVICE}/Echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    with socket.create_connection(address) as connection:
        connection.sendall(f'{head}content-length: 100\r\n\r\n"'.encode())
        connection.settimeout(20)
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 504 ")
    assert b'"code":"deadline_exceeded"' in answer
    assert b"nothing more of the request came for 0.1 seconds, and it is not complete" in answer
    with http2(port) as client:
        client.call(1, ends=False, content_type="application/grpc")
        fields = dict(client.until(h2.events.TrailersReceived, h2.events.ResponseReceived).headers)
        assert fields["grpc-status"] == str(grpc.StatusCode.DEADLINE_EXCEEDED.value[0])
    assert httpx.post(f"http://127.0.0.1:{port}/{SERVICE}/Echo", json="a").json() == "a"


def test_a_client_may_be_silent_within_a_stream_for_longer_than_receive_timeout(
    serve: Serve, channel: Channel
) -> None:
    async def repeat(requests: AsyncIterator[StringValue], _ctx: Context) -> AsyncIterator[StringValue]:
        async for request in requests:
            yield request

    methods = {"Repeat": (StreamType.BIDI_STREAM, repeat), **unary(echo)}
    port = serve(AsyncEcho(methods), limits=Limits(receive_timeout=0.1))
    silence = threading.Event()

    def requests() -> Iterator[StringValue]:
        yield text("a")
        assert silence.wait(20)
        yield text("b")

    answers = stub(channel(port), "Repeat", "stream_stream")(requests())
    assert next(answers).value == "a"
    with http2(port) as client:
        # Silent for just as long, and cut for it.
        client.call(1, ends=False)
        client.until(h2.events.ResponseReceived)
    silence.set()
    assert [answer.value for answer in answers] == ["b"]


def test_a_client_that_opens_calls_only_to_reset_them_is_closed(serve: Serve) -> None:
    limits = Limits(early_reset_time=60, max_early_resets=5, early_resets_per_second=1)
    port = serve(AsyncEcho(unary(echo)), limits=limits)
    with http2(port) as client:
        for stream in range(1, 1000, 2):
            client.call(stream, ends=False)
            client.h2.reset_stream(stream)
            client.h2.ping(stream.to_bytes(8, "big"))
            client.flush()
            client.until(h2.events.PingAckReceived, h2.events.ConnectionTerminated)
            if client.is_asked_to_go:
                break
        assert client.is_asked_to_go
        assert stream < 100


def test_a_client_that_does_not_shake_hands_is_closed_after_handshake_timeout(serve: Serve) -> None:
    authority = Authority()
    identity = authority.identity(dns("localhost"))
    tls = TlsConfig(certificate=identity.certificate, private_key=identity.key)
    port = serve(AsyncEcho(unary(echo)), tls=tls, limits=Limits(handshake_timeout=0.1))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        assert ends(connection)
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    with httpx.Client(verify=context) as client:
        assert client.post(f"https://localhost:{port}/{SERVICE}/Echo", json="a").json() == "a"


def test_a_connection_without_calls_is_closed_after_idle_timeout(serve: Serve) -> None:
    port = serve(AsyncEcho(unary(echo)), limits=Limits(idle_timeout=0.1))
    with http2(port) as client:
        client.call(1, ends=True)
        client.until(h2.events.StreamEnded)
        client.until_asked_to_go()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        body = b'content-type: application/json\r\ncontent-length: 3\r\n\r\n"a"'
        connection.sendall(f"POST /{SERVICE}/Echo HTTP/1.1\r\nhost: x\r\n".encode() + body)
        assert ends(connection)


def test_a_connection_whose_client_does_not_answer_pings_is_closed(serve: Serve) -> None:
    began, over = threading.Event(), threading.Event()

    async def wait(_request: StringValue, ctx: Context) -> AsyncIterator[StringValue]:
        ctx.on_done(over.set)
        began.set()
        while True:
            await forever()
            yield text("")

    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    limits = Limits(keepalive_interval=0.1, keepalive_timeout=0.1)
    port = serve(AsyncEcho({"Echo": (StreamType.SERVER_STREAM, wait)}), limits=limits)
    with http2(port) as client:
        head = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "x"),
            (":path", f"/{SERVICE}/Echo"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]
        client.h2.send_headers(1, head)
        client.h2.send_data(1, b"\0\0\0\0\0", end_stream=True)
        client.flush()
        # An answered ping keeps it.
        client.until(h2.events.PingReceived)
        client.until(h2.events.PingReceived)
        assert began.is_set()
        assert not over.is_set()
        # From here on nobody answers.
        assert over.wait(20)
        assert ends(client.socket)


def test_a_connection_is_asked_to_go_at_max_connection_age_and_its_calls_finish(serve: Serve) -> None:
    port = serve(AsyncEcho(unary(echo)), limits=Limits(max_connection_age=0.1))
    with http2(port) as client:
        client.call(1, ends=False)
        client.until_asked_to_go()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        # A client that knows what GOAWAY means loses nothing.
        calls = stub(channel)
        assert [calls(text(str(number))).value for number in range(500)] == [
            str(number) for number in range(500)
        ]


def test_calls_are_cut_after_max_connection_age_grace(serve: Serve) -> None:
    cancelled = threading.Event()

    async def wait(_request: StringValue, ctx: Context) -> StringValue:
        ctx.on_done(cancelled.set)
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    limits = Limits(max_connection_age=0.1, max_connection_age_grace=0.1)
    port = serve(AsyncEcho(unary(wait)), limits=limits)
    with http2(port) as client:
        client.call(1, ends=True)
        assert cancelled.wait(20)


def test_a_connection_is_asked_to_go_after_max_requests(serve: Serve) -> None:
    port = serve(AsyncEcho(unary(echo)), limits=Limits(max_requests_per_connection=3))
    with httpx.Client() as client:
        url = f"http://127.0.0.1:{port}/{SERVICE}/Echo"
        heads = [client.post(url, json="a").headers.get("connection") for _ in range(6)]
    assert heads == [None, None, "close"] * 2
