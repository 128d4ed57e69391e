"""Metadata: carried across, and never a way to speak for the bridge or to hurt the shared upstream."""

import base64
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress

import grpc
import pytest
from talk.v1 import talk_pb2, talk_pb2_grpc

from tests.peers.backends import Backend, raw_backend
from tests.peers.conftest import http_client
from tests.peers.connect import error_of, post_proto
from tests.running.bridge import Bridge

SAID = talk_pb2.SayResponse(sentence="hello").SerializeToString()


@pytest.fixture
def backend() -> Iterator[Backend]:
    with raw_backend(lambda _messages, _context: [SAID]) as backend:
        yield backend


def test_metadata_reaches_the_server_text_and_binary(
    backend: Backend, start_bridge: Callable[..., Bridge]
) -> None:
    blob = bytes(range(256))
    headers = [
        ("content-type", "application/proto"),
        ("x-tag", "one"),
        ("x-tag", "two"),
        ("x-blob-bin", base64.b64encode(blob).decode().rstrip("=")),
    ]
    with http_client(start_bridge(backend.port)) as client:
        assert client.post("/talk.v1.TalkService/Say", content=b"", headers=headers).status_code == 200
    (call,) = backend.calls
    assert ",".join(str(value) for value in call.metadata_values("x-tag")).replace(" ", "") == "one,two"
    assert call.metadata_values("x-blob-bin") == [blob]


@pytest.mark.parametrize("value", ["*", "A", "A=A=", "not base64!"])
def test_invalid_base64_in_binary_metadata_is_refused_at_the_edge(
    backend: Backend, start_bridge: Callable[..., Bridge], value: str
) -> None:
    with http_client(start_bridge(backend.port)) as client:
        error = error_of(post_proto(client, "Say", b"", {"x-blob-bin": value}))
        assert error["code"] == "invalid_argument"
        # The connection that all callers share is unharmed.
        assert post_proto(client, "Say", b"").status_code == 200
    assert len(backend.calls) == 1


@pytest.mark.parametrize(
    ("value", "blobs"),
    [
        ("", [b""]),
        ("AAE=", [b"\0\x01"]),
        ("AAEC,AQ", [b"\0\x01\x02", b"\x01"]),
        ("AAEC, AQ==", [b"\0\x01\x02", b"\x01"]),
        ("AB", [b"\0"]),
    ],
    ids=["empty", "padded", "joined", "joined as browsers do", "bits over"],
)
def test_binary_metadata_may_come_in_any_form_of_base64(
    backend: Backend, start_bridge: Callable[..., Bridge], value: str, blobs: list[bytes]
) -> None:
    with http_client(start_bridge(backend.port)) as client:
        assert post_proto(client, "Say", b"", {"x-blob-bin": value}).status_code == 200
    assert backend.calls[0].metadata_values("x-blob-bin") == blobs


@pytest.mark.parametrize(
    ("name", "odd", "good"),
    [
        ("x-blob-bin", "AB", "AAEC"),
        ("x-blob-bin", "AA, AA", "AAEC"),
        ("x-blob-bin", "*", "AAEC"),
        ("grpc-previous-rpc-attempts", "x", "1"),
        ("grpc-retry-pushback-ms", "x", "1"),
        ("x-text", "é", "e"),
    ],
)
def test_what_one_caller_writes_in_a_header_does_not_fail_the_next_callers(
    backend: Backend, start_bridge: Callable[..., Bridge], name: str, odd: str, good: str
) -> None:
    # grpc-python remembers a header that it could not read, and refuses what comes later under that name on
    # the connection that all callers share.
    with http_client(start_bridge(backend.port, flags=["--concurrency", "1"])) as client:
        for value in (good, odd, good, f"{good}{good}" if name != "x-blob-bin" else "AAED", good):
            headers = [(b"content-type", b"application/proto"), (name.encode(), value.encode())]
            answer = client.post("/talk.v1.TalkService/Say", content=b"", headers=headers)
            assert answer.status_code == 200 or value == odd, answer.text


@pytest.mark.parametrize("size", [7_000, 9_000, 20_000, 50_000])
def test_headers_that_are_too_large_for_the_server_fail_their_call_alone(
    backend: Backend, start_bridge: Callable[..., Bridge], size: int
) -> None:
    # CVE-2023-1428: `te: x` beside a header of more than 8 KiB took down servers of gRPC's.
    bridge = start_bridge(backend.port, flags=["--concurrency", "1"])
    with http_client(bridge) as client:
        assert post_proto(client, "Say", b"").status_code == 200
        answer = post_proto(client, "Say", b"", {"te": "x", "x-large": "x" * size})
        if answer.status_code != 200:
            assert error_of(answer)["code"] == "resource_exhausted"
        assert post_proto(client, "Say", b"").status_code == 200
    assert "cluster.service_0.upstream_cx_total: 1\n" in bridge.admin_text("/stats")


def test_a_header_name_that_grpc_does_not_have_is_told_to_the_caller(
    backend: Backend, start_bridge: Callable[..., Bridge]
) -> None:
    with http_client(start_bridge(backend.port)) as client:
        error = error_of(post_proto(client, "Say", b"", {"x!y": "1"}))
    assert error["code"] == "invalid_argument"
    assert "x!y" in error["message"]
    assert backend.calls == []


def test_headers_of_the_protocols_own_are_not_metadata(
    backend: Backend, start_bridge: Callable[..., Bridge]
) -> None:
    spoofed = {"grpc-status": "0", "grpc-message": "x", "trailer-x": "x", "connection": "close"}
    with http_client(start_bridge(backend.port)) as client:
        assert post_proto(client, "Say", b"", {**spoofed, "connect-timeout-ms": "5000"}).status_code == 200
    names = {name for name, _ in backend.calls[0].metadata}
    assert not names & {
        "grpc-status",
        "grpc-message",
        "connection",
        "connect-protocol-version",
        "connect-timeout-ms",
    }


def test_grpc_callers_metadata_is_carried_both_ways(bridge: Bridge) -> None:
    with grpc.insecure_channel(bridge.address) as channel:
        _, call = talk_pb2_grpc.TalkServiceStub(channel).Say.with_call(
            talk_pb2.SayRequest(sentence="x"), metadata=[("x-tag", "blue")]
        )
    assert ("x-tag-header", "blue") in call.initial_metadata()
    assert ("x-tag-trailer", "blue") in call.trailing_metadata()


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: +5\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Host: y\r\nContent-Length: 0\r\n",
        b"X-Bad: a\0b\r\nContent-Length: 0\r\n",
    ],
    ids=[
        "two lengths",
        "signed length",
        "chunked not last",
        "another coding",
        "chunked twice",
        "two hosts",
        "NUL",
    ],
)
def test_requests_that_two_servers_could_read_differently_are_refused(
    backend: Backend, start_bridge: Callable[..., Bridge], head: bytes
) -> None:
    answer = _answers_to(start_bridge(backend.port), head)
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501 ")) or answer == b""
    assert answer.count(b"HTTP/1.1") <= 1
    assert backend.calls == []


@pytest.mark.parametrize("length_first", [True, False])
def test_a_length_beside_chunks_does_not_count_and_nothing_is_read_after_the_chunks(
    backend: Backend, start_bridge: Callable[..., Bridge], length_first: bool
) -> None:
    # RFC 9112 section 6.3: the chunks count, and the connection is closed after the answer.
    both = [b"Content-Length: 46\r\n", b"Transfer-Encoding: chunked\r\n"]
    answer = _answers_to(start_bridge(backend.port), b"".join(both if length_first else reversed(both)))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.count(b"HTTP/1.1") == 1
    assert [call.messages for call in backend.calls] == [[b""]]


def _answers_to(bridge: Bridge, head: bytes) -> bytes:
    """Send a chunked request with these headers and another one behind it; return all that comes back."""
    start = b"POST /talk.v1.TalkService/Say HTTP/1.1\r\nHost: x\r\nContent-Type: application/proto\r\n"
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", bridge.port), timeout=10) as raw:
        raw.sendall(start + head + b"\r\n0\r\n\r\n" + smuggled)
        return _all_of(raw)


def _all_of(raw: socket.socket) -> bytes:
    """Read until the other side is done; a reset after the answer is a way to be done."""
    parts: list[bytes] = []
    with suppress(ConnectionResetError):
        parts.extend(iter(lambda: raw.recv(65536), b""))
    return b"".join(parts)
