"""Retries, hedging and throttling by gRPC's service config, and what is tried again without one."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from h2.errors import ErrorCodes
from landbridge.client import ConnectClient, ConnectClientSync, Transport
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.method import IdempotencyLevel, MethodInfo, StreamType
from landbridge.protocol import ProtocolType

from tests.client.echo import COUNT, ECHO, SERVICE, SUM, TALK, text
from tests.client.raw_http1 import envelope, http1, raw_server
from tests.package.echo import AsyncEcho
from tests.peers.bare_http2 import Exchange, bare_http2_server

PROTOCOLS = pytest.mark.parametrize(
    "protocol", list(ProtocolType), ids=lambda protocol: protocol.name.lower()
)


def retrying(attempts: int = 4, **policy: Any) -> dict[str, Any]:
    """A service config that has calls tried again soon."""
    settled = {
        "maxAttempts": attempts,
        "initialBackoff": "0.001s",
        "maxBackoff": "0.002s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return {"methodConfig": [{"name": [{"service": SERVICE}], "retryPolicy": {**settled, **policy}}]}


def hedging(attempts: int, delay: str, *codes: str) -> dict[str, Any]:
    """A service config that makes several attempts at once."""
    policy = {"maxAttempts": attempts, "hedgingDelay": delay, "nonFatalStatusCodes": list(codes)}
    return {"methodConfig": [{"name": [{}], "hedgingPolicy": policy}]}


class Failing:
    """Fails calls before it answers them, and remembers what each attempt says of those before it."""

    def __init__(self, times: int, code: Code = Code.UNAVAILABLE, push_back: str | None = None) -> None:
        self.times = times
        self.code = code
        self.push_back = push_back
        self.attempts: list[str | None] = []

    @property
    def application(self) -> AsyncEcho:
        """The service, which fails methods of every kind."""
        return AsyncEcho(
            {
                "Echo": (StreamType.UNARY, self._one),
                "Sum": (StreamType.CLIENT_STREAM, self._sum),
                "Count": (StreamType.SERVER_STREAM, self._many),
                "Talk": (StreamType.BIDI_STREAM, self._talk),
            }
        )

    def _begin(self, ctx: Any) -> None:
        self.attempts.append(ctx.request_headers.get("grpc-previous-rpc-attempts"))
        if len(self.attempts) <= self.times:
            if self.push_back is not None:
                ctx.response_trailers.add("grpc-retry-pushback-ms", self.push_back)
            raise ConnectError(self.code, f"attempt {len(self.attempts)}")

    async def _one(self, request: Any, ctx: Any) -> Any:
        self._begin(ctx)
        return request

    async def _sum(self, requests: Any, ctx: Any) -> Any:
        values = [request.value async for request in requests]
        self._begin(ctx)
        return text("+".join(values))

    async def _many(self, request: Any, ctx: Any) -> Any:
        self._begin(ctx)
        yield request

    async def _talk(self, requests: Any, ctx: Any) -> Any:
        self._begin(ctx)
        async for request in requests:
            yield request


Client = Callable[..., ConnectClientSync]


@pytest.fixture
def client_of(serve: Any) -> Iterator[Client]:
    """A client of a server, by a service config."""
    clients = []

    def make(failing: Failing, protocol: ProtocolType, config: Any) -> ConnectClientSync:
        transport = Transport(service_config=config, http_version="2")
        url = f"http://127.0.0.1:{serve(failing.application)}"
        clients.append(ConnectClientSync(url, protocol=protocol, transport=transport, timeout_ms=20_000))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@PROTOCOLS
def test_a_call_is_tried_again_and_says_how_often_it_was(client_of: Client, protocol: ProtocolType) -> None:
    failing = Failing(2)
    client = client_of(failing, protocol, retrying())
    assert client.execute_unary(request=text("a"), method=ECHO).value == "a"
    assert failing.attempts == [None, "1", "2"]


@PROTOCOLS
def test_streams_are_tried_again_for_as_long_as_nothing_has_come(
    client_of: Client, protocol: ProtocolType
) -> None:
    failing = Failing(2)
    client = client_of(failing, protocol, retrying())
    assert [one.value for one in client.execute_server_stream(request=text("a"), method=COUNT)] == ["a"]
    assert failing.attempts == [None, "1", "2"]


def test_streams_of_requests_are_sent_again(client_of: Client) -> None:
    failing = Failing(2)
    client = client_of(failing, ProtocolType.GRPC, retrying())
    requests = (text(value) for value in "abc")
    assert client.execute_client_stream(request=requests, method=SUM).value == "a+b+c"
    assert failing.attempts == [None, "1", "2"]
    failing.attempts.clear()
    talked = client.execute_bidi_stream(request=(text(value) for value in "xy"), method=TALK)
    assert [one.value for one in talked] == ["x", "y"]
    assert failing.attempts == [None, "1", "2"]


@PROTOCOLS
def test_attempts_come_to_an_end(client_of: Client, protocol: ProtocolType) -> None:
    failing = Failing(100)
    client = client_of(failing, protocol, retrying(3))
    with pytest.raises(ConnectError, match="attempt 3") as failed:
        client.execute_unary(request=text("a"), method=ECHO)
    assert failed.value.code is Code.UNAVAILABLE
    assert failing.attempts == [None, "1", "2"]


def test_no_more_than_five_attempts_are_made(client_of: Client) -> None:
    failing = Failing(100)
    with pytest.raises(ConnectError):
        client_of(failing, ProtocolType.GRPC, retrying(50)).execute_unary(request=text("a"), method=ECHO)
    assert len(failing.attempts) == 5


@PROTOCOLS
def test_other_codes_and_other_services_are_not_tried_again(
    client_of: Client, protocol: ProtocolType
) -> None:
    failing = Failing(1, Code.INTERNAL)
    with pytest.raises(ConnectError, match="attempt 1"):
        client_of(failing, protocol, retrying()).execute_unary(request=text("a"), method=ECHO)
    other = Failing(1)
    config = retrying()
    config["methodConfig"][0]["name"] = [{"service": SERVICE, "method": "Other"}]
    with pytest.raises(ConnectError, match="attempt 1"):
        client_of(other, protocol, config).execute_unary(request=text("a"), method=ECHO)
    assert failing.attempts == other.attempts == [None]


@PROTOCOLS
def test_no_call_is_tried_again_without_a_policy(client_of: Client, protocol: ProtocolType) -> None:
    failing = Failing(1)
    with pytest.raises(ConnectError, match="attempt 1"):
        client_of(failing, protocol, None).execute_unary(request=text("a"), method=ECHO)
    assert failing.attempts == [None]


def test_the_server_says_when_to_try_again(client_of: Client) -> None:
    failing = Failing(1, push_back="60")
    client = client_of(failing, ProtocolType.GRPC, retrying())
    started = time.monotonic()
    assert client.execute_unary(request=text("a"), method=ECHO).value == "a"
    assert time.monotonic() - started >= 0.06


@pytest.mark.parametrize("never", ["-1", "no", ""])
def test_the_server_says_not_to_try_again(client_of: Client, never: str) -> None:
    failing = Failing(1, push_back=never)
    with pytest.raises(ConnectError, match="attempt 1"):
        client_of(failing, ProtocolType.GRPC, retrying()).execute_unary(request=text("a"), method=ECHO)


def test_the_deadline_holds_for_all_attempts(client_of: Client) -> None:
    failing = Failing(100, push_back="10000")
    client = client_of(failing, ProtocolType.GRPC, retrying())
    with pytest.raises(ConnectError) as late:
        client.execute_unary(request=text("a"), method=ECHO, timeout_ms=50)
    assert late.value.code is Code.DEADLINE_EXCEEDED
    assert failing.attempts == [None]


def test_a_cancelled_call_is_not_tried_again(serve: Any) -> None:
    failing = Failing(100, push_back="10000")
    url = f"http://127.0.0.1:{serve(failing.application)}"

    async def main() -> None:
        async with ConnectClient(url, transport=Transport(service_config=retrying())) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.execute_unary(request=text("a"), method=ECHO)

    asyncio.run(main())
    assert failing.attempts == [None]


def test_failures_use_retries_up(client_of: Client) -> None:
    failing = Failing(1000)
    config = {**retrying(2), "retryThrottling": {"maxTokens": 4, "tokenRatio": 0.5}}
    client = client_of(failing, ProtocolType.GRPC, config)
    for _ in range(5):
        with pytest.raises(ConnectError):
            client.execute_unary(request=text("a"), method=ECHO)
    # Two of four tokens are left after the second attempt of all.
    assert failing.attempts == [None, "1", None, None, None, None]
    failing.times = 0
    # Each success brings half a token back.
    for _ in range(8):
        client.execute_unary(request=text("a"), method=ECHO)
    failing.attempts.clear()
    failing.times = 1
    assert client.execute_unary(request=text("a"), method=ECHO).value == "a"
    assert failing.attempts == [None, "1"]


def test_the_config_sets_a_timeout_and_whether_calls_wait(closed_port: int) -> None:
    config = {"methodConfig": [{"name": [{}], "timeout": "0.1s", "waitForReady": True}]}
    transport = Transport(service_config=config)
    url = f"http://127.0.0.1:{closed_port}"
    with ConnectClientSync(url, transport=transport) as client, pytest.raises(ConnectError) as late:
        client.execute_unary(request=text("a"), method=ECHO)
    assert late.value.code is Code.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("{", "EOF"),
        ({"methodConfig": [{"name": [{}], "timeout": "soon"}]}, "timeout"),
        (retrying(1), "maxAttempts"),
        (retrying(retryableStatusCodes=[]), "retryableStatusCodes"),
        (retrying(retryableStatusCodes=["OOPS"]), "OOPS"),
    ],
)
def test_a_config_that_cannot_be_used_is_refused_at_once(config: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Transport(service_config=config)


# Hedging.


class Slow:
    """A grpcio server whose first attempts stand still until they are cancelled."""

    def __init__(self, still: int) -> None:
        self.still = still
        self.attempts: list[str | None] = []
        self.cancelled = threading.Semaphore(0)

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Serve; gives the URL."""
        handler: Any = grpc.unary_unary_rpc_method_handler(self._answer)
        server = grpc.server(ThreadPoolExecutor(16))
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"Echo": handler})])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.stop(None).wait()

    def _answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        metadata: dict[str, Any] = dict(context.invocation_metadata())
        self.attempts.append(metadata.get("grpc-previous-rpc-attempts"))
        if len(self.attempts) <= self.still:
            over = threading.Event()
            if context.add_callback(over.set):
                over.wait(20)
            self.cancelled.release()
        return request


def test_an_attempt_that_is_slow_is_overtaken_and_cancelled() -> None:
    slow = Slow(still=2)
    with slow.serve() as url:
        transport = Transport(service_config=hedging(4, "0.02s"))
        with ConnectClientSync(url, protocol=ProtocolType.GRPC, transport=transport) as client:
            assert client.execute_unary(request=text("a"), method=ECHO, timeout_ms=20_000).value == "a"
        for _ in range(2):
            assert slow.cancelled.acquire(timeout=10)
    assert slow.attempts[:3] == [None, "1", "2"]


def test_a_failure_that_is_not_fatal_has_the_next_attempt_made_at_once(client_of: Client) -> None:
    failing = Failing(2)
    client = client_of(failing, ProtocolType.GRPC, hedging(4, "100s", "UNAVAILABLE"))
    assert client.execute_unary(request=text("a"), method=ECHO).value == "a"
    assert failing.attempts == [None, "1", "2"]


def test_a_fatal_failure_ends_a_hedged_call(client_of: Client) -> None:
    failing = Failing(2, Code.INTERNAL)
    client = client_of(failing, ProtocolType.GRPC, hedging(4, "100s", "UNAVAILABLE"))
    with pytest.raises(ConnectError, match="attempt 1"):
        client.execute_unary(request=text("a"), method=ECHO)
    assert failing.attempts == [None]


# Without a policy.


def idempotent(level: IdempotencyLevel) -> MethodInfo[Any, Any]:
    """`Echo`, marked in its schema."""
    return MethodInfo(
        name="Echo",
        service_name=SERVICE,
        input=ECHO.input,
        output=ECHO.output,
        idempotency_level=level,
        stream_type=StreamType.UNARY,
    )


MARKED = pytest.mark.parametrize(
    ("level", "attempts"),
    [
        (IdempotencyLevel.UNKNOWN, 1),
        (IdempotencyLevel.IDEMPOTENT, 2),
        (IdempotencyLevel.NO_SIDE_EFFECTS, 2),
    ],
    ids=["unknown", "idempotent", "no side effects"],
)


@MARKED
def test_only_what_may_run_twice_is_sent_again_after_a_lost_connection(
    level: IdempotencyLevel, attempts: int
) -> None:
    seen: list[Exchange] = []

    def script(exchange: Exchange) -> None:
        seen.append(exchange)
        if len(seen) == 1:
            exchange.cut_connection()
            return
        exchange.head()
        exchange.data(envelope(text("a").SerializeToString()))
        exchange.trailers([("grpc-status", "0")])

    with bare_http2_server(script) as port:
        url = f"http://127.0.0.1:{port}"
        with ConnectClientSync(url, protocol=ProtocolType.GRPC, transport=Transport()) as client:
            _call(client, level, succeeds=attempts == 2)
    assert len(seen) == attempts


@MARKED
def test_only_what_may_run_twice_is_sent_again_over_http1(level: IdempotencyLevel, attempts: int) -> None:
    seen = []

    def answer(peer: Any) -> None:
        seen.append(peer)
        if len(seen) > 1:
            peer.sendall(http1(text("a").SerializeToString(), "application/proto"))

    with raw_server(answer) as url, ConnectClientSync(url, transport=Transport()) as client:
        _call(client, level, succeeds=attempts == 2)
    assert len(seen) == attempts


def _call(client: ConnectClientSync, level: IdempotencyLevel, *, succeeds: bool) -> None:
    if succeeds:
        assert client.execute_unary(request=text("a"), method=idempotent(level)).value == "a"
        return
    with pytest.raises(ConnectError) as lost:
        client.execute_unary(request=text("a"), method=idempotent(level))
    assert lost.value.code is Code.UNAVAILABLE


def test_what_a_server_has_not_looked_at_is_sent_again() -> None:
    seen: list[Exchange] = []

    def script(exchange: Exchange) -> None:
        seen.append(exchange)
        if len(seen) <= 2:
            exchange.reset(ErrorCodes.REFUSED_STREAM)
            return
        exchange.head()
        exchange.data(envelope(text("a").SerializeToString()))
        exchange.trailers([("grpc-status", "0")])

    with bare_http2_server(script) as port:
        url = f"http://127.0.0.1:{port}"
        with ConnectClientSync(url, protocol=ProtocolType.GRPC, transport=Transport()) as client:
            assert client.execute_unary(request=text("a"), method=ECHO, timeout_ms=20_000).value == "a"
    assert len(seen) == 3


def test_a_refusal_that_does_not_end_is_told() -> None:
    with bare_http2_server(lambda exchange: exchange.reset(ErrorCodes.REFUSED_STREAM)) as port:
        url = f"http://127.0.0.1:{port}"
        with (
            ConnectClientSync(url, protocol=ProtocolType.GRPC, transport=Transport()) as client,
            pytest.raises(ConnectError) as failed,
        ):
            client.execute_unary(request=text("a"), method=ECHO, timeout_ms=20_000)
    assert failed.value.code is Code.UNAVAILABLE
