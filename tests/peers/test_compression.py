"""Compression: agreed on with each side, and never a surprise to either."""

import gzip
from collections.abc import Callable

import grpc
import httpx
from talk.v1 import talk_pb2, talk_pb2_grpc

from tests.peers.backends import raw_backend
from tests.peers.conftest import http_client
from tests.peers.connect import post_proto
from tests.running.bridge import Bridge

LONG = "hello " * 10_000


def test_a_compressed_request_reaches_the_server_whole(client: httpx.Client) -> None:
    message = gzip.compress(talk_pb2.SayRequest(sentence=LONG).SerializeToString())
    answer = post_proto(client, "Say", message, {"content-encoding": "gzip"})
    assert answer.status_code == 200, answer.text
    assert talk_pb2.SayResponse.FromString(answer.content).letters == len(LONG)


def test_a_long_answer_is_compressed_for_callers_who_accept_it(client: httpx.Client) -> None:
    message = talk_pb2.SayRequest(sentence=LONG).SerializeToString()
    with client.stream(
        "POST",
        "/talk.v1.TalkService/Say",
        content=message,
        headers={"content-type": "application/proto", "accept-encoding": "gzip"},
    ) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert talk_pb2.SayResponse.FromString(gzip.decompress(raw)).letters == len(LONG)


def test_an_answer_is_not_compressed_for_callers_who_do_not_accept_it(client: httpx.Client) -> None:
    message = talk_pb2.SayRequest(sentence=LONG).SerializeToString()
    answer = post_proto(client, "Say", message, {"accept-encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert talk_pb2.SayResponse.FromString(answer.content).letters == len(LONG)


def test_a_compression_that_the_server_does_not_know_is_taken_off_before_it(
    start_bridge: Callable[..., Bridge],
) -> None:
    # grpc-python reads gzip and deflate, but neither br nor zstd. The byte is brotli for nothing at all.
    with (
        raw_backend(lambda _messages, _context: [b""]) as backend,
        http_client(start_bridge(backend.port)) as client,
    ):
        answer = post_proto(client, "Say", b"\x3b", {"content-encoding": "br"})
    assert answer.status_code == 200, answer.text
    assert backend.calls[0].messages == [b""]


def test_a_grpc_caller_who_compresses_is_served(bridge: Bridge) -> None:
    with grpc.insecure_channel(bridge.address, compression=grpc.Compression.Gzip) as channel:
        answer = talk_pb2_grpc.TalkServiceStub(channel).Say(talk_pb2.SayRequest(sentence=LONG))
    assert answer.letters == len(LONG)
