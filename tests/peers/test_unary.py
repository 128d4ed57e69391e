"""Unary Connect calls."""

import base64
from collections.abc import Callable

import grpc
import httpx
import pytest
from talk.v1 import talk_pb2

from tests.peers.backends import raw_backend
from tests.peers.bare_http2 import Exchange, bare_http2_server
from tests.peers.conftest import http_client
from tests.peers.connect import JsonObject, envelope, error_of, path, post_json, post_proto
from tests.running.bridge import Bridge

SAID = talk_pb2.SayResponse(sentence="hello").SerializeToString()

HTTP_STATUS_OF_CODE = {
    1: ("canceled", 499),
    2: ("unknown", 500),
    3: ("invalid_argument", 400),
    4: ("deadline_exceeded", 504),
    5: ("not_found", 404),
    6: ("already_exists", 409),
    7: ("permission_denied", 403),
    8: ("resource_exhausted", 429),
    9: ("failed_precondition", 400),
    10: ("aborted", 409),
    11: ("out_of_range", 400),
    12: ("unimplemented", 501),
    13: ("internal", 500),
    14: ("unavailable", 503),
    15: ("data_loss", 500),
    16: ("unauthenticated", 401),
}


def test_a_call_without_the_protocol_version_header_is_served(client: httpx.Client) -> None:
    answer = client.post(path("Say"), json={"sentence": "hello"})
    assert (answer.status_code, answer.json()["sentence"]) == (200, "You said: hello")


@pytest.mark.parametrize(("grpc_code", "expected"), HTTP_STATUS_OF_CODE.items())
def test_each_code_has_the_http_status_of_the_connect_specification(
    client: httpx.Client, grpc_code: int, expected: tuple[str, int]
) -> None:
    answer = post_json(client, "Fail", {"code": grpc_code, "message": "as asked"})
    assert (error_of(answer)["code"], answer.status_code) == expected


@pytest.mark.parametrize(
    "message", ["50% café", "%", "%G1", "line\nbreak", "\u263a \U0001f608", '"quoted"', ""]
)
def test_the_message_of_an_error_is_decoded(client: httpx.Client, message: str) -> None:
    error = error_of(post_json(client, "Fail", {"code": 5, "message": message}))
    assert error.get("message", "") == message


def test_the_details_of_an_error_have_a_bare_type_and_unpadded_base64(client: httpx.Client) -> None:
    (detail,) = error_of(post_json(client, "Fail", {"code": 5, "message": "x"}))["details"]
    assert detail["type"] == "talk.v1.Reason"
    assert "=" not in detail["value"]
    padded = detail["value"] + "=" * (-len(detail["value"]) % 4)
    assert talk_pb2.Reason.FromString(base64.b64decode(padded, validate=True)).text == "because of x"


def test_trailers_become_trailer_headers_and_head_metadata_stays(client: httpx.Client) -> None:
    answer = post_json(client, "Say", {"sentence": "hello"}, {"x-tag": "blue"})
    assert answer.headers["x-tag-header"] == "blue"
    assert answer.headers["trailer-x-tag-trailer"] == "blue"
    assert "x-tag-trailer" not in answer.headers


def test_trailers_of_an_error_become_trailer_headers(client: httpx.Client) -> None:
    answer = post_json(client, "Fail", {"code": 5, "message": "x"})
    assert answer.headers["trailer-x-tag-trailer"] == "failed"
    assert "x-tag-trailer" not in answer.headers


@pytest.mark.parametrize("fails", [False, True])
def test_no_header_of_grpc_or_of_a_proxy_leaks_to_the_caller(client: httpx.Client, fails: bool) -> None:
    answer = post_json(client, "Fail", {"code": 5}) if fails else post_json(client, "Say", {"sentence": "x"})
    leaked = [
        name
        for name in answer.headers
        if name.removeprefix("trailer-").startswith(("grpc-", "x-envoy-")) or name == "server"
    ]
    assert leaked == []


def _error_of_say(bridge: Bridge) -> JsonObject:
    with http_client(bridge) as client:
        return error_of(post_proto(client, "Say", b""))


def test_a_unary_call_answered_by_two_messages_is_an_error(start_bridge: Callable[..., Bridge]) -> None:
    with raw_backend(lambda _messages, _context: [SAID, SAID]) as backend:
        error = _error_of_say(start_bridge(backend.port))
    assert error["code"] == "unimplemented"


def test_a_unary_call_answered_by_no_message_is_an_error(start_bridge: Callable[..., Bridge]) -> None:
    with raw_backend(lambda _messages, _context: []) as backend:
        error = _error_of_say(start_bridge(backend.port))
    assert error["code"] == "unimplemented"


@pytest.mark.parametrize(
    ("trailers", "codes"),
    [
        ([("x-other", "1")], {"internal", "unknown"}),
        ([("grpc-status", "")], {"internal", "unknown"}),
        ([("grpc-status", "many")], {"internal", "unknown"}),
        ([("grpc-status", "-1")], {"internal", "unknown"}),
        ([("grpc-status", "17")], {"internal", "unknown"}),
        ([("grpc-status", "5"), ("grpc-message", "%G1 %")], {"not_found"}),
        ([("grpc-status", "5"), ("grpc-status-details-bin", "*")], {"not_found", "internal"}),
    ],
    ids=["missing", "empty", "a word", "negative", "over 16", "odd message", "malformed details"],
)
def test_a_malformed_grpc_status_is_an_error(
    start_bridge: Callable[..., Bridge], trailers: list[tuple[str, str]], codes: set[str]
) -> None:
    def script(exchange: Exchange) -> None:
        exchange.head()
        exchange.data(envelope(SAID))
        exchange.trailers(trailers)

    with bare_http2_server(script) as port:
        error = _error_of_say(start_bridge(port))
    assert error["code"] in codes


def test_an_upstream_that_ends_without_trailers_is_an_error(start_bridge: Callable[..., Bridge]) -> None:
    def script(exchange: Exchange) -> None:
        exchange.head()
        exchange.data(envelope(SAID), end=True)

    with bare_http2_server(script) as port:
        error = _error_of_say(start_bridge(port))
    assert error["code"] in {"internal", "unknown"}


def test_a_request_encoding_nobody_knows_is_unimplemented(client: httpx.Client) -> None:
    answer = post_json(client, "Say", {"sentence": "x"}, {"content-encoding": "snail"})
    assert (answer.status_code, error_of(answer)["code"]) == (501, "unimplemented")


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", ""])
def test_a_content_type_nobody_knows_is_refused_with_415(client: httpx.Client, content_type: str) -> None:
    answer = client.post(path("Say"), content=b"x", headers={"content-type": content_type})
    assert answer.status_code == 415


@pytest.mark.parametrize("timeout", ["-1", "+1", "1.5", "soon", "12345678901"])
def test_a_malformed_timeout_is_an_invalid_argument(client: httpx.Client, timeout: str) -> None:
    error = error_of(post_json(client, "Say", {"sentence": "x"}, {"connect-timeout-ms": timeout}))
    assert error["code"] == "invalid_argument"


def test_the_longest_timeout_is_accepted(client: httpx.Client) -> None:
    assert (
        post_json(client, "Say", {"sentence": "x"}, {"connect-timeout-ms": "9999999999"}).status_code == 200
    )


def test_a_deadline_that_passes_is_told_in_the_callers_protocol(client: httpx.Client) -> None:
    answer = post_json(client, "Say", {"delayMs": 3000}, {"connect-timeout-ms": "100"})
    assert (answer.status_code, error_of(answer)["code"]) == (504, "deadline_exceeded")


def test_the_callers_deadline_reaches_the_server(start_bridge: Callable[..., Bridge]) -> None:
    remaining: list[float] = []

    def answer(_messages: list[bytes], context: grpc.ServicerContext) -> list[bytes]:
        remaining.append(context.time_remaining())
        return [SAID]

    with raw_backend(answer) as backend, http_client(start_bridge(backend.port)) as client:
        post_proto(client, "Say", b"", {"connect-timeout-ms": "20000"})
    assert 15 < remaining[0] <= 20
