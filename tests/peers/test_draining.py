"""SIGTERM: readiness fails first, calls in flight are finished, then the bridge leaves."""

import signal
import subprocess
import urllib.error
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from pyqwest import HTTPVersion, SyncClient, SyncHTTPTransport
from talk.v1 import talk_pb2, talk_pb2_grpc
from talk.v1.talk_connect import TalkServiceClientSync

from tests.peers.backends import Gate, raw_backend
from tests.peers.conftest import http_client
from tests.peers.connect import post_proto, post_stream
from tests.running.bridge import Bridge, running_bridge
from tests.running.envoy_file import Upstream, envoy_file

SAID = talk_pb2.SayResponse(sentence="hello").SerializeToString()
CALLS = 8


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
def draining(gate: Gate, start_bridge: Callable[..., Bridge]) -> Iterator[Callable[..., Bridge]]:
    """Start a bridge whose calls stay in the server's handler until the gate opens."""

    def answer(_messages: list[bytes], _context: grpc.ServicerContext) -> Iterator[bytes]:
        gate.wait_in_handler()
        yield SAID

    with raw_backend(answer) as backend:
        yield lambda *flags: start_bridge(backend.port, flags=flags)
        gate.open()


def _connect_call(bridge: Bridge) -> bytes:
    with http_client(bridge) as client:
        answer = post_proto(client, "Say", b"")
        assert answer.status_code == 200, answer.text
        return answer.content


def _connect_call_over_http2(bridge: Bridge) -> bytes:
    # httpx gives up all its calls on a connection at the first GOAWAY, whatever that says.
    client = SyncClient(SyncHTTPTransport(http_version=HTTPVersion.HTTP2))
    return (
        TalkServiceClientSync(bridge.url, http_client=client).say(talk_pb2.SayRequest()).SerializeToString()
    )


def _connect_stream(bridge: Bridge) -> bytes:
    with http_client(bridge) as client:
        stream = post_stream(client, "Count", [b""])
        assert "error" not in stream.end
        return stream.messages[0]


def _grpc_call(bridge: Bridge) -> bytes:
    with grpc.insecure_channel(bridge.address) as channel:
        answer: talk_pb2.SayResponse = talk_pb2_grpc.TalkServiceStub(channel).Say(talk_pb2.SayRequest())
        return answer.SerializeToString()


def _calls_in_flight(bridge: Bridge, pool: ThreadPoolExecutor, gate: Gate) -> list[Future[bytes]]:
    """Start calls of every kind, and return when all of them are in the server's handler."""
    calls = [
        pool.submit(call, bridge)
        for call in (_connect_call, _connect_call_over_http2, _connect_stream, _grpc_call)
        for _ in range(2)
    ]
    assert len(calls) == CALLS
    gate.await_calls(CALLS)
    return calls


def _await_unready(bridge: Bridge) -> None:
    """Return once /ready no longer says yes; the bridge itself must still be there to say so."""
    while True:
        assert bridge.process.poll() is None, "the bridge left with calls in flight"
        try:
            bridge.admin_text("/ready")
        except urllib.error.HTTPError as answer:
            assert answer.code == 503  # noqa: PT017 - the wait is over when this is the answer
            return


def test_sigterm_drains_without_losing_a_call(draining: Callable[..., Bridge], gate: Gate) -> None:
    bridge = draining()
    with ThreadPoolExecutor(CALLS) as pool:
        calls = _calls_in_flight(bridge, pool, gate)
        bridge.process.send_signal(signal.SIGTERM)
        _await_unready(bridge)
        gate.open()
        assert [call.result(timeout=20) for call in calls] == [SAID] * CALLS
    assert bridge.process.wait(timeout=20) == 0


def test_an_answer_given_while_draining_closes_its_http1_connection(
    draining: Callable[..., Bridge], gate: Gate
) -> None:
    bridge = draining()
    with http_client(bridge) as client, ThreadPoolExecutor(1) as pool:
        call = pool.submit(post_proto, client, "Say", b"")
        gate.await_calls(1)
        bridge.process.send_signal(signal.SIGTERM)
        _await_unready(bridge)
        gate.open()
        assert call.result(timeout=20).headers["connection"] == "close"


def _unary_error(bridge: Bridge) -> tuple[str, str]:
    with http_client(bridge) as client:
        answer = post_proto(client, "Say", b"")
        assert answer.status_code == 503
        return answer.json()["code"], answer.json()["message"]


def _stream_error(bridge: Bridge) -> tuple[str, str]:
    with http_client(bridge) as client:
        error = post_stream(client, "Count", [b""]).end["error"]
        return error["code"], error["message"]


def _grpc_error(bridge: Bridge) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        _grpc_call(bridge)
    error: Any = caught.value
    return error.code().name.lower(), error.details()


@pytest.mark.parametrize("error_of", [_unary_error, _stream_error, _grpc_error])
def test_calls_that_outlast_the_drain_are_told_why_they_end(
    error_of: Callable[[Bridge], tuple[str, str]], draining: Callable[..., Bridge], gate: Gate
) -> None:
    bridge = draining("--drain-time-s", "1")
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(error_of, bridge)
        gate.await_calls(1)
        bridge.process.send_signal(signal.SIGTERM)
        bridge.process.wait(timeout=15)
        message = "the bridge has stopped, and this call was not done by then; see `--drain-time-s`"
        assert call.result(timeout=20) == ("unavailable", message)


def test_a_second_signal_ends_the_drain_at_once(draining: Callable[..., Bridge], gate: Gate) -> None:
    bridge = draining("--drain-time-s", "600")
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(_connect_call, bridge)
        gate.await_calls(1)
        bridge.process.send_signal(signal.SIGTERM)
        _await_unready(bridge)
        bridge.process.send_signal(signal.SIGTERM)
        bridge.process.wait(timeout=15)
        assert call.exception(timeout=20) is not None


def test_a_rolling_restart_loses_no_call(talk_server: int, gate: Gate) -> None:
    def answer(_messages: list[bytes], _context: grpc.ServicerContext) -> Iterator[bytes]:
        gate.wait_in_handler()
        yield SAID

    with raw_backend(answer) as held, ThreadPoolExecutor(CALLS) as pool:
        file = envoy_file(Upstream(held.port))
        listener = file["static_resources"]["listeners"][0]
        listener["enable_reuse_port"] = True
        with running_bridge(file) as old:
            calls = _calls_in_flight(old, pool, gate)
            # The next release: the same port, another server.
            listener["address"]["socket_address"]["port_value"] = old.port
            file["static_resources"]["clusters"] = envoy_file(Upstream(talk_server))["static_resources"][
                "clusters"
            ]
            with running_bridge(file) as new:
                assert new.port == old.port
                old.process.send_signal(signal.SIGTERM)
                _await_unready(old)
                gate.open()
                assert [call.result(timeout=20) for call in calls] == [SAID] * CALLS
                assert old.process.wait(timeout=20) == 0
                with http_client(new) as client:
                    assert post_proto(client, "Say", b"").status_code == 200


def test_an_idle_bridge_leaves_at_once(draining: Callable[..., Bridge]) -> None:
    bridge = draining("--drain-time-s", "600")
    bridge.process.send_signal(signal.SIGTERM)
    try:
        assert bridge.process.wait(timeout=15) == 0
    except subprocess.TimeoutExpired:
        pytest.fail("an idle bridge waited for its drain time")
