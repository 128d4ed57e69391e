"""Servers that misbehave: an error of the code that the specifications name, soon, and in bounded memory."""

import gzip
import resource
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from h2.errors import ErrorCodes
from landbridge.client import ConnectClientSync, Transport
from landbridge.code import Code
from landbridge.compression.gzip import GzipCompression
from landbridge.errors import ConnectError
from landbridge.protocol import ProtocolType

from tests.client.echo import COUNT, ECHO, text
from tests.client.raw_http1 import envelope, http1, raw_server
from tests.peers.bare_http2 import Exchange, bare_http2_server

MESSAGE = text("hello").SerializeToString()
SECONDS = 20_000


CONNECT_END = envelope(b"{}", 2)
WEB_END = envelope(b"grpc-status: 0\r\n", 0x80)


def client_of(url: str, protocol: ProtocolType = ProtocolType.CONNECT, **settings: Any) -> ConnectClientSync:
    """A client with connections of its own."""
    version: Any = settings.pop("http_version", "auto")
    transport = Transport(http_version=version, trust_env=False)
    return ConnectClientSync(url, protocol=protocol, transport=transport, timeout_ms=SECONDS, **settings)


def failure(
    url: str, protocol: ProtocolType = ProtocolType.CONNECT, *, stream: bool = False, **settings: Any
) -> ConnectError:
    """What a call fails with."""
    with client_of(url, protocol, **settings) as client:

        def call() -> object:
            if stream:
                return list(client.execute_server_stream(request=text("a"), method=COUNT))
            return client.execute_unary(request=text("a"), method=ECHO)

        with pytest.raises(ConnectError) as failed:
            call()
    # It came from the answer, and not from waiting for it.
    assert failed.value.code is not Code.DEADLINE_EXCEEDED
    assert failed.value.message
    return failed.value


WHOLE: dict[tuple[ProtocolType, bool], bytes] = {
    (ProtocolType.CONNECT, False): http1(MESSAGE, "application/proto"),
    (ProtocolType.CONNECT, True): http1(envelope(MESSAGE) + CONNECT_END, "application/connect+proto"),
    (ProtocolType.GRPC_WEB, False): http1(envelope(MESSAGE) + WEB_END, "application/grpc-web+proto"),
    (ProtocolType.GRPC_WEB, True): http1(envelope(MESSAGE) + WEB_END, "application/grpc-web+proto"),
}
CASES = pytest.mark.parametrize(
    ("protocol", "stream"),
    list(WHOLE),
    ids=[f"{p.name.lower()} {'stream' if s else 'unary'}" for p, s in WHOLE],
)


@CASES
def test_an_answer_cut_at_any_byte_fails_the_call(protocol: ProtocolType, stream: bool) -> None:
    whole = WHOLE[protocol, stream]
    length = len(whole)

    def answer(peer: socket.socket) -> None:
        peer.sendall(whole[:length])

    with raw_server(answer) as url:
        with client_of(url, protocol) as client:
            if stream:
                (response,) = client.execute_server_stream(request=text("a"), method=COUNT)
            else:
                response = client.execute_unary(request=text("a"), method=ECHO)
            assert response.value == "hello"
        for length in range(len(whole)):
            error = failure(url, protocol, stream=stream)
            assert error.code in {Code.UNAVAILABLE, Code.INTERNAL, Code.UNKNOWN}, (length, error)


@pytest.mark.parametrize(
    ("protocol", "stream"),
    # Connect's unary content has no marks of its own.
    [(ProtocolType.CONNECT, True), (ProtocolType.GRPC_WEB, False), (ProtocolType.GRPC_WEB, True)],
)
def test_an_answer_without_length_cut_at_any_byte_fails_the_call(
    protocol: ProtocolType, stream: bool
) -> None:
    # The end of the connection is the end of such content: only its own marks tell that it is whole.
    head, _, content = WHOLE[protocol, stream].partition(b"\r\n\r\n")
    kind = head.split(b"content-type: ")[1].split(b"\r\n")[0]
    cut = 0

    def answer(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\n\r\n" + content[:cut])

    with raw_server(answer) as url:
        for cut in range(len(content)):
            error = failure(url, protocol, stream=stream)
            assert error.code in {Code.UNAVAILABLE, Code.INTERNAL, Code.INVALID_ARGUMENT}, (cut, error)


def test_a_grpc_answer_cut_at_any_byte_fails_the_call() -> None:
    content = envelope(MESSAGE)
    cut = 0

    def script(exchange: Exchange) -> None:
        exchange.head()
        exchange.data(content[:cut])
        exchange.cut_connection()

    with bare_http2_server(script) as port:
        for cut in range(len(content) + 1):
            for stream in (False, True):
                error = failure(f"http://127.0.0.1:{port}", ProtocolType.GRPC, stream=stream)
                assert error.code in {Code.UNAVAILABLE, Code.INTERNAL}, (cut, error)


def test_a_grpc_answer_that_ends_early_fails_the_call() -> None:
    content = envelope(MESSAGE)
    cut = 0

    def script(exchange: Exchange) -> None:
        exchange.head()
        exchange.data(content[:cut])
        exchange.trailers([("grpc-status", "0")])

    with bare_http2_server(script) as port:
        url = f"http://127.0.0.1:{port}"
        for cut in range(1, len(content)):
            for stream in (False, True):
                error = failure(url, ProtocolType.GRPC, stream=stream)
                assert error.code in {Code.INTERNAL, Code.UNKNOWN}, (cut, error)
        cut = 0
        assert failure(url, ProtocolType.GRPC).code is Code.UNIMPLEMENTED


def test_a_grpc_answer_without_a_status_fails_the_call() -> None:
    def script(exchange: Exchange) -> None:
        exchange.head()
        exchange.data(envelope(MESSAGE), end=True)

    with bare_http2_server(script) as port:
        for stream in (False, True):
            error = failure(f"http://127.0.0.1:{port}", ProtocolType.GRPC, stream=stream)
            assert error.code in {Code.UNKNOWN, Code.INTERNAL}


@pytest.mark.parametrize(
    ("reset", "code"),
    [
        (ErrorCodes.NO_ERROR, Code.INTERNAL),
        (ErrorCodes.INTERNAL_ERROR, Code.INTERNAL),
        (ErrorCodes.REFUSED_STREAM, Code.UNAVAILABLE),
        (ErrorCodes.CANCEL, Code.CANCELED),
        (ErrorCodes.ENHANCE_YOUR_CALM, Code.RESOURCE_EXHAUSTED),
        (ErrorCodes.INADEQUATE_SECURITY, Code.PERMISSION_DENIED),
    ],
)
def test_a_reset_gives_the_code_of_its_reason(reset: ErrorCodes, code: Code) -> None:
    with bare_http2_server(lambda exchange: exchange.reset(reset)) as port:
        assert failure(f"http://127.0.0.1:{port}", ProtocolType.GRPC).code is code


STATUSES = [
    (400, Code.INTERNAL),
    (401, Code.UNAUTHENTICATED),
    (403, Code.PERMISSION_DENIED),
    (404, Code.UNIMPLEMENTED),
    (418, Code.UNKNOWN),
    (429, Code.UNAVAILABLE),
    (500, Code.UNKNOWN),
    (502, Code.UNAVAILABLE),
    (503, Code.UNAVAILABLE),
    (504, Code.UNAVAILABLE),
]


@pytest.mark.parametrize(("status", "code"), STATUSES)
@pytest.mark.parametrize(
    "protocol", [ProtocolType.CONNECT, ProtocolType.GRPC_WEB], ids=lambda p: p.name.lower()
)
@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
def test_a_page_of_a_proxy_gives_the_code_of_its_status(
    protocol: ProtocolType, stream: bool, status: int, code: Code
) -> None:
    page = http1(b"<html>go away</html>", "text/html", status=f"{status} No")
    with raw_server(lambda peer: peer.sendall(page)) as url:
        error = failure(url, protocol, stream=stream)
    assert error.code is code
    assert str(status) in error.message


@pytest.mark.parametrize(("status", "code"), STATUSES)
def test_a_page_of_a_proxy_gives_grpc_the_code_of_its_status(status: int, code: Code) -> None:
    head = [(":status", str(status)), ("content-type", "text/html")]

    def script(exchange: Exchange) -> None:
        exchange.head(head)
        exchange.data(b"<html>go away</html>", end=True)

    with bare_http2_server(script) as port:
        error = failure(f"http://127.0.0.1:{port}", ProtocolType.GRPC)
    assert error.code is code
    assert str(status) in error.message


@CASES
@pytest.mark.parametrize("kind", ["text/html", "application/json", "application/grpc-web+json", "nonsense"])
def test_another_content_type_is_named(protocol: ProtocolType, stream: bool, kind: str) -> None:
    with raw_server(lambda peer: peer.sendall(http1(b"<html>welcome</html>", kind))) as url:
        error = failure(url, protocol, stream=stream)
    assert error.code in {Code.UNKNOWN, Code.INTERNAL}
    assert kind in error.message


@CASES
@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"\0" * 4096,
        bytes(range(256)) * 64,
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ],
)
def test_what_is_no_http_fails_the_call(protocol: ProtocolType, stream: bool, garbage: bytes) -> None:
    with raw_server(lambda peer: peer.sendall(garbage)) as url:
        error = failure(url, protocol, stream=stream)
    assert error.code in {Code.UNAVAILABLE, Code.INTERNAL, Code.UNKNOWN}, error


def test_what_is_no_http2_fails_the_call() -> None:
    for garbage in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 4096, b"\xff" * 64, b""):
        with raw_server(lambda peer, garbage=garbage: peer.sendall(garbage)) as url:  # type: ignore[misc]
            error = failure(url, ProtocolType.GRPC)
        assert error.code in {Code.UNAVAILABLE, Code.INTERNAL}, error


def test_messages_that_are_none_are_named() -> None:
    with raw_server(lambda peer: peer.sendall(http1(b"\xff\xff\xff", "application/proto"))) as url:
        error = failure(url)
    assert error.code is Code.INTERNAL
    assert "StringValue" in error.message


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
def test_more_than_one_response_fails_a_unary_call(stream: bool) -> None:
    two = http1(envelope(MESSAGE) * 2 + WEB_END, "application/grpc-web+proto")
    with raw_server(lambda peer: peer.sendall(two)) as url:
        if stream:
            with client_of(url, ProtocolType.GRPC_WEB) as client:
                assert len(list(client.execute_server_stream(request=text("a"), method=COUNT))) == 2
        else:
            assert failure(url, ProtocolType.GRPC_WEB).code is Code.UNIMPLEMENTED


@pytest.mark.parametrize("after", [b"x", envelope(MESSAGE), CONNECT_END])
def test_what_follows_the_end_fails_the_call(after: bytes) -> None:
    content = envelope(MESSAGE) + CONNECT_END + after
    with raw_server(lambda peer: peer.sendall(http1(content, "application/connect+proto"))) as url:
        error = failure(url, stream=True)
    assert error.code is Code.INTERNAL
    assert f"{len(after)} bytes behind the end" in error.message


def test_the_servers_own_error_counts_whatever_follows_it() -> None:
    end = envelope(b'{"error":{"code":"not_found","message":"gone"}}', 2)
    with raw_server(lambda peer: peer.sendall(http1(end + b"x", "application/connect+proto"))) as url:
        error = failure(url, stream=True)
    assert (error.code, error.message) == (Code.NOT_FOUND, "gone")


@CASES
def test_a_proxys_page_is_told_of(protocol: ProtocolType, stream: bool) -> None:
    page = http1(b"<html>", "text/html", status="502 Bad Gateway")
    with raw_server(lambda peer: peer.sendall(page)) as url:
        error = failure(url, protocol, stream=stream)
    assert error.code is Code.UNAVAILABLE
    assert "502 Bad Gateway" in error.message
    assert "text/html" in error.message


def test_an_answer_that_goes_on_behind_its_end_is_not_waited_for() -> None:
    content = envelope(MESSAGE) + CONNECT_END
    head = "HTTP/1.1 200 OK\r\ncontent-type: application/connect+proto\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%s\r\n" % (len(content), content)
    told = threading.Event()

    def answer(peer: socket.socket) -> None:
        peer.sendall(head.encode() + chunk)
        assert told.wait(20)

    with raw_server(answer) as url, client_of(url) as client:
        (response,) = client.execute_server_stream(request=text("a"), method=COUNT)
        assert response.value == "hello"
        told.set()


# Too much.

BOMB = gzip.compress(bytes(256 << 20), 9)
"""A quarter of a gibibyte in a quarter of a mebibyte."""


@contextmanager
def bounded_memory(most: int) -> Iterator[None]:
    """The process grows by no more."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < most


@CASES
def test_a_decompression_bomb_is_refused(protocol: ProtocolType, stream: bool) -> None:
    if protocol is ProtocolType.CONNECT and not stream:
        content, kind, more = BOMB, "application/proto", "content-encoding: gzip\r\n"
    elif protocol is ProtocolType.CONNECT:
        content, kind = envelope(BOMB, 1) + CONNECT_END, "application/connect+proto"
        more = "connect-content-encoding: gzip\r\n"
    else:
        content, kind = envelope(BOMB, 1) + WEB_END, "application/grpc-web+proto"
        more = "grpc-encoding: gzip\r\n"
    with (
        raw_server(lambda peer: peer.sendall(http1(content, kind, more=more))) as url,
        bounded_memory(64 << 20),
    ):
        assert failure(url, protocol, stream=stream).code is Code.RESOURCE_EXHAUSTED


class OwnCompression(GzipCompression):
    """A compression that the application does itself."""

    def name(self) -> str:
        """As it is called in headers."""
        return "own"


def test_a_bomb_of_the_applications_own_compression_is_refused() -> None:
    more = "content-encoding: own\r\n"
    with (
        raw_server(lambda peer: peer.sendall(http1(BOMB, "application/proto", more=more))) as url,
        bounded_memory(64 << 20),
    ):
        assert failure(url, accept_compression=[OwnCompression()]).code is Code.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("compression", [GzipCompression(), OwnCompression()], ids=["ours", "own"])
def test_a_client_without_a_limit_reads_a_message_of_any_size(compression: GzipCompression) -> None:
    message = text("a" * (5 << 20))
    content = compression.compress(message.SerializeToString())
    more = f"content-encoding: {compression.name()}\r\n"
    with (
        raw_server(lambda peer: peer.sendall(http1(content, "application/proto", more=more))) as url,
        client_of(url, ProtocolType.CONNECT, read_max_bytes=-1, accept_compression=[compression]) as client,
    ):
        assert client.execute_unary(request=text("a"), method=ECHO) == message


@CASES
def test_a_message_above_the_limit_is_refused(protocol: ProtocolType, stream: bool) -> None:
    message = text("hello" * 10).SerializeToString()
    head, _, content = WHOLE[protocol, stream].partition(b"\r\n\r\n")
    kind = head.split(b"content-type: ")[1].split(b"\r\n")[0].decode()
    content = content.replace(envelope(MESSAGE), envelope(message)).replace(MESSAGE, message)
    with raw_server(lambda peer: peer.sendall(http1(content, kind))) as url:
        error = failure(url, protocol, stream=stream, read_max_bytes=len(message) - 1)
        assert error.code is Code.RESOURCE_EXHAUSTED
        with client_of(url, protocol, read_max_bytes=len(message)) as client:
            if stream:
                (response,) = client.execute_server_stream(request=text("a"), method=COUNT)
            else:
                response = client.execute_unary(request=text("a"), method=ECHO)
            assert response.value == "hello" * 10


@pytest.mark.parametrize(
    ("protocol", "kind"),
    [
        (ProtocolType.CONNECT, "application/connect+proto"),
        (ProtocolType.GRPC_WEB, "application/grpc-web+proto"),
    ],
)
def test_a_message_that_claims_to_be_endless_is_refused_before_it_comes(
    protocol: ProtocolType, kind: str
) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n\r\n".encode() + b"\0\xff\xff\xff\xff"
    over = threading.Event()

    def answer(peer: socket.socket) -> None:
        peer.sendall(head)
        over.wait(20)

    with raw_server(answer) as url:
        try:
            assert failure(url, protocol, stream=True).code is Code.RESOURCE_EXHAUSTED
        finally:
            over.set()


def _endlessly(peer: socket.socket, start: bytes, piece: bytes) -> None:
    peer.sendall(start)
    # The client closes the connection long before.
    for _ in range((512 << 20) // len(piece)):
        peer.sendall(piece)


@CASES
@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"x-more: " + b"a" * 1000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nx-long: ", b"a" * 4096),
        (b"HTTP/1.1 200 ", b"a" * 4096),
    ],
    ids=["headers", "a header", "a reason"],
)
def test_an_endless_head_is_refused(protocol: ProtocolType, stream: bool, start: bytes, piece: bytes) -> None:
    with raw_server(lambda peer: _endlessly(peer, start, piece)) as url, bounded_memory(32 << 20):
        error = failure(url, protocol, stream=stream)
    assert error.code in {Code.UNAVAILABLE, Code.INTERNAL, Code.RESOURCE_EXHAUSTED, Code.UNKNOWN}


@pytest.mark.parametrize(
    "protocol", [ProtocolType.CONNECT, ProtocolType.GRPC_WEB], ids=lambda p: p.name.lower()
)
def test_an_endless_row_of_interim_answers_ends_with_the_deadline(protocol: ProtocolType) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * 100
    with (
        raw_server(lambda peer: _endlessly(peer, b"", interim)) as url,
        bounded_memory(32 << 20),
        client_of(url, protocol) as client,
        pytest.raises(ConnectError) as late,
    ):
        client.execute_unary(request=text("a"), method=ECHO, timeout_ms=200)
    assert late.value.code is Code.DEADLINE_EXCEEDED


@pytest.mark.parametrize("kind", ["text/html", "application/proto", "application/json"])
@pytest.mark.parametrize("status", ["200 OK", "500 No"])
def test_endless_content_is_refused(kind: str, status: str) -> None:
    start = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n\r\n".encode()
    with raw_server(lambda peer: _endlessly(peer, start, b"a" * 65536)) as url, bounded_memory(64 << 20):
        started = time.monotonic()
        failure(url)
        assert time.monotonic() - started < SECONDS / 1000


def test_endless_trailers_are_refused() -> None:
    def script(exchange: Exchange) -> None:
        exchange.head()
        exchange.data(envelope(MESSAGE))
        exchange.trailers([("grpc-status", "0"), *((f"x-{number}", "a" * 1000) for number in range(1000))])

    with bare_http2_server(script) as port:
        error = failure(f"http://127.0.0.1:{port}", ProtocolType.GRPC)
    assert error.code in {Code.INTERNAL, Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.UNKNOWN}


@pytest.mark.parametrize("protocol", [ProtocolType.CONNECT, ProtocolType.GRPC_WEB])
def test_a_grpc_server_that_is_called_in_http_1_is_unavailable_and_the_error_says_how_to_call_it(
    protocol: ProtocolType,
) -> None:
    server = grpc.server(ThreadPoolExecutor(2))
    url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        # Whether its first frame comes before the request or after it is chance.
        errors = [failure(url, protocol, stream=stream) for stream in (False, True) * 10]
        with client_of(url, protocol) as client:
            for _ in range(3):
                with pytest.raises(ConnectError) as failed:
                    client.execute_unary(request=text("a"), method=ECHO)
                errors.append(failed.value)
    finally:
        server.stop(grace=None).wait()
    assert {error.code for error in errors} == {Code.UNAVAILABLE}
    for error in errors:
        assert "speaks HTTP/2, and was called in HTTP/1.1" in error.message
        assert "protocol=ProtocolType.GRPC " in error.message
        assert 'http_version="2"' in error.message


@pytest.mark.parametrize("answer", [http1(b"", "text/plain", status="400 Bad Request"), b"<!DOCTYPE HTML>"])
def test_a_server_of_http_1_that_is_called_in_http_2_is_unavailable_and_the_error_says_how_to_call_it(
    answer: bytes,
) -> None:
    with raw_server(lambda peer: peer.sendall(answer)) as url:
        errors = [failure(url, ProtocolType.GRPC, stream=stream) for stream in (False, True) * 5]
        errors.append(failure(url, ProtocolType.CONNECT, http_version="2"))
    assert {error.code for error in errors} == {Code.UNAVAILABLE}
    for error in errors:
        assert "does not speak HTTP/2, in which it was called" in error.message
        assert "protocol=ProtocolType.CONNECT" in error.message
