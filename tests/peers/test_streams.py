"""Streaming Connect calls, above all how they end."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from h2.errors import ErrorCodes
from talk.v1 import talk_pb2

from tests.peers.backends import raw_backend
from tests.peers.bare_http2 import Exchange, bare_http2_server
from tests.peers.conftest import http_client
from tests.peers.connect import (
    END_STREAM,
    Stream,
    envelope,
    envelopes,
    path,
    post_proto,
    post_stream,
    stream_of,
)
from tests.running.bridge import Bridge

COUNT_ONE = talk_pb2.CountRequest(up_to=1).SerializeToString()
ONE = talk_pb2.CountResponse(number=1).SerializeToString()


def _count(bridge: Bridge, *, requests: int = 1) -> Stream:
    with http_client(bridge) as client:
        return post_stream(client, "Count", [COUNT_ONE] * requests)


def test_metadata_of_a_stream_that_fails_at_once_comes_in_its_end(
    start_bridge: Callable[..., Bridge],
) -> None:
    trailers_only = [
        (":status", "200"),
        ("content-type", "application/grpc"),
        ("grpc-status", "5"),
        ("grpc-message", "caf%C3%A9"),
        ("x-tag-trailer", "blue"),
    ]
    with bare_http2_server(lambda exchange: exchange.head(trailers_only, end=True)) as port:
        stream = _count(start_bridge(port))
    assert stream.end["error"] == {"code": "not_found", "message": "café"}
    assert stream.end["metadata"]["x-tag-trailer"] == ["blue"]
    assert "x-tag-trailer" not in stream.response.headers


def test_a_stream_that_fails_later_keeps_its_messages(client: httpx.Client) -> None:
    request = talk_pb2.CountAndFailRequest(up_to=2, failure=talk_pb2.FailRequest(code=9, message="50%"))
    stream = post_stream(client, "CountAndFail", [request.SerializeToString()])
    assert [talk_pb2.CountResponse.FromString(message).number for message in stream.messages] == [1, 2]
    assert (stream.error_code, stream.end["error"]["message"]) == ("failed_precondition", "50%")


def _cut(exchange: Exchange) -> None:
    exchange.cut_connection()


def _reset(exchange: Exchange) -> None:
    exchange.reset(ErrorCodes.INTERNAL_ERROR)


def _half_an_envelope(exchange: Exchange) -> None:
    exchange.data(b"\0\0\0\0\x09cut")
    exchange.trailers([("grpc-status", "0")])


def _no_trailers(exchange: Exchange) -> None:
    exchange.data(b"", end=True)


@pytest.mark.parametrize(
    ("death", "codes"),
    [
        (_cut, {"unavailable"}),
        (_reset, {"internal"}),
        (_half_an_envelope, {"internal", "invalid_argument", "data_loss"}),
        (_no_trailers, {"internal", "unknown"}),
    ],
)
def test_a_stream_cut_midway_ends_with_an_error(
    start_bridge: Callable[..., Bridge], death: Callable[[Exchange], None], codes: set[str]
) -> None:
    def script(exchange: Exchange) -> None:
        exchange.head()
        exchange.data(envelope(ONE))
        death(exchange)

    with bare_http2_server(script) as port:
        stream = _count(start_bridge(port))
    assert list(stream.messages) == [ONE]
    assert stream.error_code in codes


def test_messages_reach_the_caller_before_the_stream_ends(client: httpx.Client) -> None:
    request = talk_pb2.CountRequest(name="endless", up_to=1_000_000, delay_ms=20).SerializeToString()
    headers = {"content-type": "application/connect+proto"}
    with client.stream("POST", path("Count"), content=envelope(request), headers=headers) as answer:
        first = next(answer.iter_raw())
    assert envelopes(first)[0] == (0, ONE)


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
def test_a_caller_who_leaves_cancels_the_call_on_the_server(bridge: Bridge, http2: bool) -> None:
    name = f"left over HTTP/{2 if http2 else 1}"
    request = talk_pb2.CountRequest(name=name, up_to=1_000_000, delay_ms=20).SerializeToString()
    headers = {"content-type": "application/connect+proto", "connect-protocol-version": "1"}
    # The caller leaves for good, with its connection.
    with (
        http_client(bridge, http2=http2) as leaving,
        leaving.stream("POST", path("Count"), content=envelope(request), headers=headers) as answer,
    ):
        next(answer.iter_raw())
    with http_client(bridge) as client:
        look = talk_pb2.LookRequest(name=name, until_ended=True).SerializeToString()
        answered = post_proto(client, "Look", look)
    assert talk_pb2.LookResponse.FromString(answered.content).state == talk_pb2.STATE_CANCELLED


def test_half_duplex_streams_work_over_both_http_versions(client: httpx.Client) -> None:
    requests = [talk_pb2.ConverseRequest(sentence=word).SerializeToString() for word in ("one", "two")]
    stream = post_stream(client, "Converse", requests)
    answers = [talk_pb2.ConverseResponse.FromString(message).sentence for message in stream.messages]
    assert answers == ["You said: one", "You said: two"]


def _tiny_pieces(body: bytes) -> Iterator[bytes]:
    for byte in body:
        yield bytes([byte])


def test_envelopes_may_be_split_at_every_byte(client: httpx.Client) -> None:
    body = b"".join(
        envelope(talk_pb2.SumRequest(number=number).SerializeToString()) for number in (1, 20, 300)
    )
    headers = {"content-type": "application/connect+proto"}
    stream = stream_of(client.post(path("Sum"), content=_tiny_pieces(body), headers=headers))
    assert talk_pb2.SumResponse.FromString(stream.messages[0]).total == 321


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (b"\0\0\0", {"invalid_argument"}),
        (b"\0\0\0\0\x09cut", {"invalid_argument"}),
        (b"\0\xff\xff\xff\xff", {"resource_exhausted"}),
        (envelope(b"", flags=0x01), {"internal", "invalid_argument"}),
        (envelope(b"{}", flags=END_STREAM), {"invalid_argument", "internal", "unimplemented", "unknown"}),
        (envelope(b"", flags=0x40), {"invalid_argument", "internal"}),
    ],
    ids=["cut head", "cut message", "4 GiB", "compressed by nothing", "end-stream flag", "reserved flag"],
)
def test_malformed_envelopes_are_errors_in_the_end_of_the_stream(
    client: httpx.Client, body: bytes, codes: set[str]
) -> None:
    headers = {"content-type": "application/connect+proto"}
    stream = stream_of(client.post(path("Sum"), content=body, headers=headers))
    assert stream.messages == []
    assert stream.error_code in codes


@pytest.mark.parametrize("count", [0, 2])
def test_a_server_stream_takes_exactly_one_request(start_bridge: Callable[..., Bridge], count: int) -> None:
    with raw_backend(lambda _messages, _context: [ONE]) as backend:
        stream = _count(start_bridge(backend.port), requests=count)
    assert stream.error_code == "unimplemented"
    assert stream.messages == []
