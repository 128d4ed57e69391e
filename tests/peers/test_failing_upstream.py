"""Upstreams that are absent, slow or broken: told to each caller in the caller's own protocol."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest
from h2.errors import ErrorCodes
from talk.v1 import talk_pb2, talk_pb2_grpc

from demo import server as demo_server
from tests.peers.backends import Gate, raw_backend
from tests.peers.bare_http2 import Exchange, bare_http2_server
from tests.peers.conftest import http_client
from tests.peers.connect import envelope, envelopes, error_of, post_json, post_proto, post_stream
from tests.running.bridge import Bridge

CONNECT_CODES = {
    grpc.StatusCode.UNAVAILABLE: "unavailable",
    grpc.StatusCode.DEADLINE_EXCEEDED: "deadline_exceeded",
    grpc.StatusCode.INTERNAL: "internal",
}

Caller = Callable[[Bridge], str]
"""Makes a call that must fail, and returns the code of the error by its Connect name."""


def _connect_unary(bridge: Bridge) -> str:
    with http_client(bridge) as client:
        code: str = error_of(post_proto(client, "Say", b""))["code"]
        return code


def _connect_json(bridge: Bridge) -> str:
    with http_client(bridge, http2=True) as client:
        code: str = error_of(post_json(client, "Say", {}))["code"]
        return code


def _connect_stream(bridge: Bridge) -> str:
    with http_client(bridge) as client:
        return post_stream(client, "Count", [b""]).error_code


def _grpc(bridge: Bridge) -> str:
    with grpc.insecure_channel(bridge.address) as channel, pytest.raises(grpc.RpcError) as failure:
        talk_pb2_grpc.TalkServiceStub(channel).Say(talk_pb2.SayRequest())
    return CONNECT_CODES[failure.value.code()]


def _grpc_web(bridge: Bridge) -> str:
    headers = {"content-type": "application/grpc-web+proto"}
    with http_client(bridge) as client:
        answer = client.post("/talk.v1.TalkService/Say", content=envelope(b""), headers=headers)
    assert answer.status_code == 200
    # A failure may come as a trailers-only head or in the body.
    number = answer.headers.get("grpc-status")
    if number is None:
        ((flags, trailers),) = envelopes(answer.content)
        assert flags == 0x80
        lines = dict(line.split(":", 1) for line in trailers.decode().strip().split("\r\n"))
        number = lines["grpc-status"].strip()
    by_number = {code.value[0]: name for code, name in CONNECT_CODES.items()}
    return by_number[int(number)]


every_caller = pytest.mark.parametrize(
    "caller",
    [_connect_unary, _connect_json, _connect_stream, _grpc, _grpc_web],
    ids=lambda caller: caller.__name__[1:],
)


@contextmanager
def _closed_port() -> Iterator[int]:
    # Bound but not listening: nobody else can have the port, and connections to it are refused.
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@every_caller
def test_no_upstream_is_unavailable(start_bridge: Callable[..., Bridge], caller: Caller) -> None:
    with _closed_port() as port:
        assert caller(start_bridge(port)) == "unavailable"


@every_caller
def test_the_routes_timeout_is_a_deadline_exceeded(
    start_bridge: Callable[..., Bridge], caller: Caller
) -> None:
    gate = Gate()

    def answer(_messages: list[bytes], _context: grpc.ServicerContext) -> list[bytes]:
        gate.wait_in_handler()
        return [b""]

    with raw_backend(answer) as backend:
        try:
            assert caller(start_bridge(backend.port, route={"timeout": "0.2s"})) == "deadline_exceeded"
        finally:
            gate.open()


@every_caller
def test_an_upstream_that_resets_the_call_is_internal(
    start_bridge: Callable[..., Bridge], caller: Caller
) -> None:
    with bare_http2_server(lambda exchange: exchange.reset(ErrorCodes.INTERNAL_ERROR)) as port:
        assert caller(start_bridge(port)) == "internal"


@every_caller
def test_an_upstream_that_drops_the_connection_is_unavailable(
    start_bridge: Callable[..., Bridge], caller: Caller
) -> None:
    with bare_http2_server(lambda exchange: exchange.cut_connection()) as port:
        assert caller(start_bridge(port)) == "unavailable"


def test_a_call_that_may_have_reached_a_handler_is_not_sent_again(
    start_bridge: Callable[..., Bridge],
) -> None:
    requests: list[Exchange] = []

    def script(exchange: Exchange) -> None:
        requests.append(exchange)
        exchange.cut_connection()

    with bare_http2_server(script) as port:
        assert _connect_unary(start_bridge(port)) == "unavailable"
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "internal"),
        (401, "unauthenticated"),
        (403, "permission_denied"),
        (404, "unimplemented"),
        (418, "unknown"),
        (429, "unavailable"),
        (502, "unavailable"),
        (503, "unavailable"),
        (504, "unavailable"),
    ],
)
def test_an_upstream_that_answers_plain_http_gives_the_code_of_its_status(
    start_bridge: Callable[..., Bridge], status: int, code: str
) -> None:
    head = [(":status", str(status)), ("content-type", "text/plain")]
    with (
        bare_http2_server(lambda exchange: exchange.head(head, end=True)) as port,
        http_client(start_bridge(port)) as client,
    ):
        assert error_of(post_proto(client, "Say", b""))["code"] == code


def test_the_bridge_recovers_when_its_upstream_comes_back(start_bridge: Callable[..., Bridge]) -> None:
    with _closed_port() as port:
        bridge = start_bridge(port)
        assert _connect_unary(bridge) == "unavailable"
    server, _ = demo_server.start(port)
    try:
        with http_client(bridge) as client:
            # Early calls may still meet the back-off after the failure; each is answered at once.
            give_up = time.monotonic() + 10
            while (answer := post_proto(client, "Say", b"")).status_code != 200:
                assert error_of(answer)["code"] == "unavailable"
                assert time.monotonic() < give_up, "the upstream is back, but calls still fail"
    finally:
        server.stop(grace=None).wait()


def test_json_calls_while_the_upstream_is_away_are_unavailable_and_are_not_held_against_it(
    start_bridge: Callable[..., Bridge],
) -> None:
    with _closed_port() as port:
        bridge = start_bridge(port, schema=False, flags=["--concurrency", "1"])
        with http_client(bridge) as client:
            answer = post_json(client, "Say", {"sentence": "hello"})
        assert answer.status_code == 503
        assert error_of(answer)["code"] == "unavailable"
        assert "schema" in error_of(answer)["message"]
        assert "cluster service_0 cannot be reached" in error_of(answer)["message"]
    server, _ = demo_server.start(port)
    try:
        with http_client(bridge) as client:
            give_up = time.monotonic() + 10
            while post_proto(client, "Say", b"").status_code != 200:
                assert time.monotonic() < give_up, "the upstream is back, but calls still fail"
            # There is a connection, so that nothing is left that a call in JSON would have to wait for.
            answer = post_json(client, "Say", {"sentence": "hello"})
            assert answer.status_code == 200, answer.text
    finally:
        server.stop(grace=None).wait()


def test_json_calls_that_need_the_schema_at_the_same_time_share_one_try(
    start_bridge: Callable[..., Bridge],
) -> None:
    calls = 20
    gate = Gate()
    with _server_without_schema(grpc.StatusCode.UNAVAILABLE, gate) as (port, asked):
        bridge = start_bridge(port, schema=False, flags=["--concurrency", "1"])
        with http_client(bridge) as client, ThreadPoolExecutor(calls) as pool:
            answers = [pool.submit(post_json, client, "Say", {}) for _ in range(calls)]
            _await_stat(bridge, "http.ingress_http.downstream_rq_active", calls)
            # The only worker looks at its requests in turn, so with this one it has looked at the others.
            assert post_proto(client, "Say", b"").status_code == 200
            gate.open()
            codes = {error_of(answer.result())["code"] for answer in answers}
    assert codes == {"unavailable"}
    assert len(asked) == 1


@pytest.mark.parametrize("status", [grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.PERMISSION_DENIED])
def test_a_server_that_is_there_and_tells_no_schema_is_asked_once(
    start_bridge: Callable[..., Bridge], status: grpc.StatusCode
) -> None:
    with (
        _server_without_schema(status) as (port, asked),
        http_client(start_bridge(port, schema=False)) as client,
    ):
        answers = [post_json(client, "Say", {}) for _ in range(3)]
    told = [(answer.status_code, error_of(answer)["code"]) for answer in answers]
    assert told == [(501, "unimplemented")] * 3
    assert len(asked) == len(set(asked)) > 0, asked


@contextmanager
def _server_without_schema(
    status: grpc.StatusCode, gate: Gate | None = None
) -> Iterator[tuple[int, list[str]]]:
    """Answer every call, but end reflection with a status; yield the port, and the reflection calls."""
    asked: list[str] = []

    def end(_requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        if gate:
            gate.wait_in_handler()
        context.abort(status, "no")

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
            if "Reflection" not in details.method:
                return grpc.unary_unary_rpc_method_handler(lambda _message, _context: b"")
            asked.append(details.method)
            return grpc.stream_stream_rpc_method_handler(end)

    server = grpc.server(ThreadPoolExecutor(4), handlers=[Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port, asked
    finally:
        server.stop(grace=None).wait()


def test_late_answers_to_cancelled_calls_do_not_cost_the_others_their_connection(
    start_bridge: Callable[..., Bridge],
) -> None:
    server = _LateServer(batch=100)
    with bare_http2_server(server.answer_late) as port:
        bridge = start_bridge(port, flags=["--concurrency", "1"])
        # Together far more than the errors for which HTTP/2 libraries give up a connection. Each batch comes
        # from another caller: one who cancels most of its calls is sent away.
        for _ in range(24):
            options = [("grpc.use_local_subchannel_pool", 1)]
            with grpc.insecure_channel(bridge.address, options) as channel:
                say = talk_pb2_grpc.TalkServiceStub(channel).Say
                calls = [say.future(talk_pb2.SayRequest()) for _ in range(server.batch)]
                assert server.received.acquire(timeout=20)
                for call in calls:
                    call.cancel()
                _await_stat(bridge, "cluster.service_0.upstream_rq_active", 0)
                server.go_on.release()
    assert "cluster.service_0.upstream_cx_total: 1\n" in bridge.admin_text("/stats")


class _LateServer:
    """Answers when a whole batch of requests is there and the test says so, whatever became of them."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.received = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self._waiting: list[Exchange] = []

    def answer_late(self, exchange: Exchange) -> None:
        self._waiting.append(exchange)
        if len(self._waiting) == self.batch:
            self.received.release()
            assert self.go_on.acquire(timeout=20)
            for waiting in self._waiting:
                waiting.head(end=False)
                waiting.trailers([("grpc-status", "0")])
            self._waiting.clear()


def _await_stat(bridge: Bridge, name: str, value: int) -> None:
    while f"{name}: {value}\n" not in bridge.admin_text("/stats"):
        assert bridge.process.poll() is None
