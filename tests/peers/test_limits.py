"""The size of a message: limited after decompression, both ways, told in the caller's protocol."""

import gzip
import json
import subprocess
from collections.abc import Callable, Iterator

import grpc
import httpx
import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from pyqwest import HTTPVersion, SyncClient, SyncHTTPTransport
from talk.v1 import talk_pb2, talk_pb2_grpc
from talk.v1.talk_connect import TalkServiceClientSync

from tests.peers.backends import raw_backend
from tests.peers.conftest import http_client
from tests.peers.connect import envelope, error_of, post_json, post_proto
from tests.running.bridge import Bridge, running_bridge
from tests.running.envoy_file import Upstream, envoy_file

KIB = 1024
MIB = 1024 * KIB


def _say(size: int) -> bytes:
    """Return a request of exactly so many bytes."""
    overhead = talk_pb2.SayRequest(sentence="x" * size).ByteSize() - size
    message = talk_pb2.SayRequest(sentence="x" * (size - overhead)).SerializeToString()
    assert len(message) == size
    return message


def test_a_request_of_three_mebibytes_passes_by_default(client: httpx.Client) -> None:
    answer = post_proto(client, "Say", _say(3 * MIB))
    assert answer.status_code == 200, answer.text
    assert talk_pb2.SayResponse.FromString(answer.content).letters == 3 * MIB - 5


def test_a_request_over_four_mebibytes_is_refused_by_default(client: httpx.Client) -> None:
    answer = post_proto(client, "Say", _say(4 * MIB + 1))
    assert (answer.status_code, error_of(answer)["code"]) == (429, "resource_exhausted")


@pytest.fixture(scope="module")
def patient_bridge(talk_server: int) -> Iterator[Bridge]:
    """A bridge that lets callers send on behind their answer for as long as a test may take."""
    file = envoy_file(Upstream(talk_server))
    (chain,) = file["static_resources"]["listeners"][0]["filter_chains"]
    chain["filters"][0]["typed_config"]["delayed_close_timeout"] = "60s"
    with running_bridge(file) as bridge:
        yield bridge


@pytest.mark.parametrize("http", ["--http1.1", "--http2-prior-knowledge"])
def test_curl_is_told_that_its_upload_is_too_large(patient_bridge: Bridge, http: str) -> None:
    # It sends on while it is answered; older ones drop an answer whose stream is reset.
    command = ["curl", "--silent", "--show-error", http, "--max-time", "50", "--data-binary", "@-"]
    headers = ["--header", "content-type: application/proto", "--header", "expect:"]
    told = subprocess.run(
        [*command, *headers, f"{patient_bridge.url}/talk.v1.TalkService/Say"],
        input=bytes(32 * MIB),
        capture_output=True,
        check=True,
    )
    assert json.loads(told.stdout)["code"] == "resource_exhausted"


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
def test_a_client_that_sends_to_the_end_is_told_that_its_upload_is_too_large(
    patient_bridge: Bridge, http2: bool
) -> None:
    with http_client(patient_bridge, http2=http2) as client:
        assert error_of(post_proto(client, "Say", bytes(16 * MIB)))["code"] == "resource_exhausted"


@pytest.mark.parametrize(("size", "passes"), [(64 * KIB, True), (64 * KIB + 1, False)])
def test_the_limit_is_a_setting(
    talk_server: int, start_bridge: Callable[..., Bridge], size: int, passes: bool
) -> None:
    bridge = start_bridge(talk_server, landbridge={"max_message_bytes": 64 * KIB})
    with http_client(bridge) as client:
        # A method whose answer does not grow with the request.
        answer = post_proto(client, "Look", talk_pb2.LookRequest(name=_name(size)).SerializeToString())
    if passes:
        assert answer.status_code == 200, answer.text
    else:
        assert error_of(answer)["code"] == "resource_exhausted"


def _name(size: int) -> str:
    overhead = talk_pb2.LookRequest(name="x" * size).ByteSize() - size
    return "x" * (size - overhead)


def test_an_answer_over_the_limit_is_resource_exhausted(
    talk_server: int, start_bridge: Callable[..., Bridge]
) -> None:
    bridge = start_bridge(talk_server, landbridge={"max_response_bytes": 64 * KIB})
    with http_client(bridge) as client:
        error = error_of(post_json(client, "Say", {"paddingBytes": 65 * KIB}))
        # Requests have a limit of their own.
        assert post_proto(
            client, "Look", talk_pb2.LookRequest(name=_name(65 * KIB)).SerializeToString()
        ).is_success
    assert error["code"] == "resource_exhausted"


def test_a_message_that_grows_over_the_limit_when_decompressed_is_refused(
    start_bridge: Callable[..., Bridge],
) -> None:
    bomb = gzip.compress(bytes(64 * MIB))
    with (
        raw_backend(lambda _messages, _context: [b""]) as backend,
        http_client(start_bridge(backend.port)) as client,
    ):
        # JSON must be read, so it must be decompressed.
        answer = client.post(
            "/talk.v1.TalkService/Say",
            content=bomb,
            headers={"content-type": "application/json", "content-encoding": "gzip"},
        )
    assert error_of(answer)["code"] == "resource_exhausted"
    assert backend.calls == []


@pytest.mark.parametrize("http", [HTTPVersion.HTTP1, HTTPVersion.HTTP2], ids=["HTTP/1.1", "HTTP/2"])
def test_a_stream_with_a_message_over_the_limit_ends_with_resource_exhausted(
    bridge: Bridge, http: HTTPVersion
) -> None:
    # With connectrpc, because httpx fails over HTTP/2 when it is answered before it has sent all.
    client = TalkServiceClientSync(bridge.url, http_client=SyncClient(SyncHTTPTransport(http_version=http)))
    sentences = [talk_pb2.ConverseRequest(sentence="x" * size) for size in (1, 4 * MIB)]
    with pytest.raises(ConnectError) as failure:
        list(client.converse(iter(sentences)))
    assert failure.value.code is Code.RESOURCE_EXHAUSTED


def test_a_grpc_request_over_the_limit_is_resource_exhausted(bridge: Bridge) -> None:
    with grpc.insecure_channel(bridge.address) as channel, pytest.raises(grpc.RpcError) as failure:
        talk_pb2_grpc.TalkServiceStub(channel).Say(talk_pb2.SayRequest(sentence="x" * (4 * MIB)))
    assert failure.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_call_that_is_too_large_does_not_disturb_its_neighbours(bridge: Bridge) -> None:
    with http_client(bridge, http2=True) as client:
        for _ in range(5):
            assert post_proto(client, "Say", _say(4 * MIB + 1)).status_code == 429
            assert post_json(client, "Say", {"sentence": "x"}).status_code == 200
            assert client.post("/talk.v1.TalkService/Say", content=envelope(b"")).status_code == 415
