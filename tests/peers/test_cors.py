"""Browsers on other origins: allowed by a setting, and by nothing else."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from talk.v1 import talk_pb2

from tests.peers.backends import Backend, raw_backend
from tests.peers.conftest import http_client
from tests.peers.connect import path
from tests.running.bridge import Bridge

ORIGIN = "https://app.example"
SAID = talk_pb2.SayResponse(sentence="hello").SerializeToString()


@pytest.fixture
def backend() -> Iterator[Backend]:
    with raw_backend(lambda _messages, _context: [SAID]) as backend:
        yield backend


def _preflight(client: httpx.Client, origin: str) -> httpx.Response:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,connect-protocol-version,x-tag",
    }
    return client.options(path("Say"), headers=headers)


def _settings(backend: Backend, start_bridge: Callable[..., Bridge]) -> httpx.Client:
    headers = ["content-type", "connect-protocol-version", "x-tag"]
    cors = {"allow_origins": [ORIGIN], "allow_headers": headers, "max_age": "600s"}
    return http_client(start_bridge(backend.port, landbridge={"cors": cors}))


def test_a_preflight_of_an_allowed_origin_is_answered_by_the_bridge(
    backend: Backend, start_bridge: Callable[..., Bridge]
) -> None:
    with _settings(backend, start_bridge) as client:
        answer = _preflight(client, ORIGIN)
    assert answer.status_code in {200, 204}
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert "x-tag" in allowed
    assert "connect-protocol-version" in allowed
    assert answer.headers["access-control-max-age"] == "600"
    assert backend.calls == []


def test_a_call_of_an_allowed_origin_may_be_read_by_it(
    backend: Backend, start_bridge: Callable[..., Bridge]
) -> None:
    headers = {"origin": ORIGIN, "content-type": "application/proto"}
    with _settings(backend, start_bridge) as client:
        answer = client.post(path("Say"), content=b"", headers=headers)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    exposed = answer.headers["access-control-expose-headers"].lower()
    assert "grpc-status" in exposed
    assert "origin" in answer.headers["vary"].lower()


def test_another_origin_is_given_nothing(backend: Backend, start_bridge: Callable[..., Bridge]) -> None:
    with _settings(backend, start_bridge) as client:
        answer = _preflight(client, "https://evil.example")
    assert "access-control-allow-origin" not in answer.headers
    assert backend.calls == []


def test_without_the_setting_no_origin_is_allowed(
    backend: Backend, start_bridge: Callable[..., Bridge]
) -> None:
    with http_client(start_bridge(backend.port)) as client:
        answer = _preflight(client, ORIGIN)
    assert answer.status_code == 405
    assert "access-control-allow-origin" not in answer.headers
    assert backend.calls == []
