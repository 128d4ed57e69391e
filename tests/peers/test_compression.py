"""Compression: agreed on with each side, and never a surprise to either."""

import gzip
import json
from collections.abc import Callable

import grpc
import httpx
from talk.v1 import talk_pb2, talk_pb2_grpc

from tests.peers.backends import raw_backend
from tests.peers.conftest import http_client
from tests.peers.connect import path, post_json, post_proto
from tests.running.bridge import Bridge

LONG = "hello " * 10_000


def test_a_compressed_request_reaches_the_server_whole(client: httpx.Client) -> None:
    message = gzip.compress(talk_pb2.SayRequest(sentence=LONG).SerializeToString())
    answer = post_proto(client, "Say", message, {"content-encoding": "gzip"})
    assert answer.status_code == 200, answer.text
    assert talk_pb2.SayResponse.FromString(answer.content).letters == len(LONG)


def _raw_answer(client: httpx.Client, codec: str, sentence: str) -> tuple[httpx.Response, bytes]:
    """Call `Say` as one who accepts gzip; return the answer and its body as it came."""
    content = {
        "json": json.dumps({"sentence": sentence}).encode(),
        "proto": talk_pb2.SayRequest(sentence=sentence).SerializeToString(),
    }[codec]
    headers = {"content-type": f"application/{codec}", "accept-encoding": "gzip"}
    with client.stream("POST", path("Say"), content=content, headers=headers) as answer:
        assert answer.status_code == 200
        return answer, b"".join(answer.iter_raw())


def test_a_long_answer_that_is_rewritten_is_compressed_for_callers_who_accept_it(
    client: httpx.Client,
) -> None:
    answer, raw = _raw_answer(client, "json", LONG)
    assert answer.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(raw))["letters"] == str(len(LONG))


def test_an_answer_that_needs_no_rewriting_passes_as_the_server_sent_it(client: httpx.Client) -> None:
    # grpc-python's default is not to compress.
    answer, raw = _raw_answer(client, "proto", LONG)
    assert "content-encoding" not in answer.headers
    assert talk_pb2.SayResponse.FromString(raw).letters == len(LONG)


def test_a_short_answer_is_not_compressed(client: httpx.Client) -> None:
    answer, raw = _raw_answer(client, "json", "hello")
    assert "content-encoding" not in answer.headers
    assert json.loads(raw)["sentence"] == "You said: hello"


def test_an_answer_is_not_compressed_for_callers_who_do_not_accept_it(client: httpx.Client) -> None:
    answer = post_json(client, "Say", {"sentence": LONG}, {"accept-encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert answer.json()["letters"] == str(len(LONG))


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
