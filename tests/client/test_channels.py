"""Addresses, balancing, health, keepalive, age, waiting for servers, proxies: what a transport does."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from landbridge.client import ConnectClient, ConnectClientSync, Transport
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.protocol import ProtocolType
from landbridge.serving import ServerSync

from tests.client.conftest import Serve
from tests.client.echo import COUNT, ECHO, SERVICE, Echo, text
from tests.package.echo import AsyncEcho, unary
from tests.running.relays import Proxy, Relay, without_proxies


class Servers:
    """Servers that answer with their names; each may stop and come back at its port."""

    def __init__(self) -> None:
        self._running: dict[str, ServerSync] = {}
        self._ports: dict[str, int] = {}

    def start(self, name: str) -> str:
        """Start it, at the port it had before if it had one; gives its address."""

        async def answer(_request: StringValue, _ctx: Any) -> StringValue:
            return text(name)

        server = ServerSync(AsyncEcho(unary(answer)), port=self._ports.get(name, 0))
        server.start()
        self._running[name] = server
        self._ports[name] = server.port
        return f"http://127.0.0.1:{server.port}"

    def stop(self, name: str) -> None:
        """Stop it."""
        self._running.pop(name).stop(grace=0)

    def close(self) -> None:
        """Stop all."""
        for name in list(self._running):
            self.stop(name)


@pytest.fixture
def servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.close()


def ask(client: ConnectClientSync, **settings: Any) -> str:
    """The name of the server that answers."""
    return client.execute_unary(request=text(""), method=ECHO, **{"timeout_ms": 20_000, **settings}).value


PROTOCOLS = pytest.mark.parametrize(
    "protocol", list(ProtocolType), ids=lambda protocol: protocol.name.lower()
)


@PROTOCOLS
def test_several_addresses_are_taken_in_turns(servers: Servers, protocol: ProtocolType) -> None:
    addresses = [servers.start(name) for name in "abc"]
    with ConnectClientSync(addresses, protocol=protocol, transport=Transport()) as client:
        assert Counter(ask(client) for _ in range(30)) == {"a": 10, "b": 10, "c": 10}
        servers.stop("b")
        assert {ask(client) for _ in range(30)} == {"a", "c"}
        servers.start("b")
        _until(lambda: ask(client) == "b")
        servers.stop("a")
        servers.stop("c")
        assert {ask(client) for _ in range(10)} == {"b"}


@PROTOCOLS
def test_the_first_address_is_used_for_as_long_as_it_is_there(
    servers: Servers, protocol: ProtocolType
) -> None:
    addresses = [servers.start(name) for name in "ab"]
    transport = Transport(load_balancing="pick_first")
    with ConnectClientSync(addresses, protocol=protocol, transport=transport) as client:
        assert {ask(client) for _ in range(10)} == {"a"}
        servers.stop("a")
        assert {ask(client) for _ in range(10)} == {"b"}
        # It stays where it is.
        servers.start("a")
        assert {ask(client) for _ in range(10)} == {"b"}
        servers.stop("b")
        _until(lambda: _answers(client) == "a")


def _answers(client: ConnectClientSync) -> str | None:
    try:
        return ask(client)
    except ConnectError as error:
        if error.code is not Code.UNAVAILABLE:
            raise
        return None


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it has not come"


@PROTOCOLS
def test_no_server_is_unavailable_at_once_and_found_when_it_comes(
    servers: Servers, protocol: ProtocolType
) -> None:
    address = servers.start("a")
    servers.stop("a")
    with ConnectClientSync(address, protocol=protocol, transport=Transport()) as client:
        for _ in range(5):
            with pytest.raises(ConnectError) as failed:
                ask(client)
            assert failed.value.code is Code.UNAVAILABLE
            assert address.removeprefix("http://") in failed.value.message
        servers.start("a")
        _until(lambda: _answers(client) == "a")


@PROTOCOLS
def test_a_call_waits_for_its_server_where_it_is_told_to(servers: Servers, protocol: ProtocolType) -> None:
    address = servers.start("a")
    servers.stop("a")
    transport = Transport(wait_for_ready=True, backoff_max=0.1)
    with ConnectClientSync(address, protocol=protocol, transport=transport) as client:
        with pytest.raises(ConnectError) as late:
            ask(client, timeout_ms=100)
        assert late.value.code is Code.DEADLINE_EXCEEDED
        with ThreadPoolExecutor() as pool:
            calls = [pool.submit(ask, client) for _ in range(4)]
            servers.start("a")
            assert {call.result() for call in calls} == {"a"}
    # A client may know better than its transport.
    servers.stop("a")
    hasty = ConnectClientSync(address, protocol=protocol, transport=transport, wait_for_ready=False)
    with hasty, pytest.raises(ConnectError) as failed:
        ask(hasty)
    assert failed.value.code is Code.UNAVAILABLE


def test_a_server_that_restarts_costs_no_call_that_was_not_sent(servers: Servers) -> None:
    address = servers.start("a")
    with ConnectClientSync(address, protocol=ProtocolType.GRPC, transport=Transport()) as client:
        for _ in range(20):
            assert ask(client) == "a"
            servers.stop("a")
            servers.start("a")


def test_names_are_looked_up(servers: Servers) -> None:
    address = servers.start("a").replace("127.0.0.1", "localhost")
    with ConnectClientSync(address, transport=Transport(dns_refresh=0.01)) as client:
        for _ in range(20):
            assert ask(client) == "a"
    port = address.rpartition(":")[2]
    with ConnectClientSync(f"dns:///localhost:{port}", protocol=ProtocolType.GRPC) as client:
        assert ask(client) == "a"
        servers.stop("a")
        assert _answers(client) is None
        servers.start("a")
        _until(lambda: _answers(client) == "a")


def test_a_name_that_nobody_has_is_unavailable() -> None:
    with ConnectClientSync("http://no-such-host.invalid", transport=Transport(trust_env=False)) as client:
        with pytest.raises(ConnectError) as failed:
            ask(client)
        assert failed.value.code is Code.UNAVAILABLE
        assert "no-such-host.invalid" in failed.value.message


@PROTOCOLS
@pytest.mark.parametrize("form", ["unix:{}", "unix://{}"])
def test_unix_sockets_are_called(tmp_path: Path, echo: Echo, protocol: ProtocolType, form: str) -> None:
    path = tmp_path / "s"
    # A proxy cannot reach a socket of this machine.
    transport = Transport(proxy="http://127.0.0.1:1")
    with (
        ServerSync(echo.application, uds=path),
        ConnectClientSync(form.format(path), protocol=protocol, transport=transport) as client,
    ):
        assert client.execute_unary(request=text("a"), method=ECHO).value == "a"


@pytest.mark.parametrize("address", ["", "localhost:80", "ftp://a", "http://a?b", "http://u@a", "unix:", []])
def test_what_is_no_address_is_refused_at_once(address: Any) -> None:
    with pytest.raises(ValueError, match="no address"):
        ConnectClientSync(address)


def test_clients_of_one_transport_share_connections(echo: Echo) -> None:
    with _counting(echo) as (port, connections):
        transport = Transport(http_version="2")
        url = f"http://127.0.0.1:{port}"
        clients = [ConnectClientSync(url, transport=transport) for _ in range(5)]
        for client in clients:
            assert client.execute_unary(request=text("a"), method=ECHO).value == "a"
        assert next(connections) == 1
        for client in clients:
            client.close()
        # The last has closed it.
        with ConnectClientSync(url, transport=transport) as again:
            assert again.execute_unary(request=text("a"), method=ECHO).value == "a"
        assert next(connections) == 2


@contextmanager
def _counting(echo: Echo) -> Iterator[tuple[int, Iterator[int]]]:
    """A relay in front of `echo`: its port, and the connections so far."""
    with ServerSync(echo.application, port=0) as server, Relay(server.port) as relay:
        yield relay.port, (len(relay.opened) for _ in itertools.count())


@pytest.mark.parametrize("http_version", ["1.1", "2"])
def test_a_connection_that_lies_idle_is_closed(echo: Echo, http_version: Any) -> None:
    transport = Transport(http_version=http_version, idle_timeout=0.05)
    with (
        ServerSync(echo.application, port=0) as server,
        Relay(server.port) as relay,
        ConnectClientSync(f"http://127.0.0.1:{relay.port}", transport=transport) as client,
    ):
        assert client.execute_unary(request=text("a"), method=ECHO).value == "a"
        assert relay.closed.acquire(timeout=10)
        assert client.execute_unary(request=text("a"), method=ECHO).value == "a"
        assert len(relay.opened) == 2


@pytest.mark.parametrize("http_version", ["1.1", "2"])
def test_an_old_connection_takes_no_more_calls(echo: Echo, http_version: Any) -> None:
    transport = Transport(http_version=http_version, max_connection_age=0.05)
    with (
        ServerSync(echo.application, port=0) as server,
        Relay(server.port) as relay,
        ConnectClientSync(f"http://127.0.0.1:{relay.port}", transport=transport) as client,
        client.execute_server_stream(request=text("wait"), method=COUNT) as call,
    ):
        call.response_headers()
        _until(lambda: _opened_by_another_call(client, relay) > 1)
        # What is in flight goes on.
        with pytest.raises(RuntimeError):
            _ = call.response_trailers


def _opened_by_another_call(client: ConnectClientSync, relay: Relay) -> int:
    assert client.execute_unary(request=text("a"), method=ECHO).value == "a"
    return len(relay.opened)


def test_a_silent_connection_is_given_up_where_pings_are_not_answered(echo: Echo) -> None:
    transport = Transport(http_version="2", keepalive_interval=0.05, keepalive_timeout=0.1)
    with (
        ServerSync(echo.application, port=0) as server,
        Relay(server.port) as relay,
        ConnectClientSync(f"http://127.0.0.1:{relay.port}", transport=transport) as client,
    ):
        with client.execute_server_stream(request=text("wait"), method=COUNT) as call:
            call.response_headers()
            relay.silent.set()
            with pytest.raises(ConnectError) as lost:
                call.receive()
            assert lost.value.code is Code.UNAVAILABLE
        relay.silent.clear()
        assert client.execute_unary(request=text("a"), method=ECHO, timeout_ms=20_000).value == "a"


def test_calls_beyond_a_connections_streams_take_another(echo: Echo) -> None:
    transport = Transport(http_version="2", max_streams_per_connection=2)
    with (
        ServerSync(echo.application, port=0) as server,
        Relay(server.port) as relay,
        ConnectClientSync(f"http://127.0.0.1:{relay.port}", transport=transport) as client,
        ExitStack() as calls,
    ):
        for _ in range(5):
            call = calls.enter_context(client.execute_server_stream(request=text("wait"), method=COUNT))
            call.response_headers()
        assert len(relay.opened) == 3


def test_calls_wait_for_a_connection_and_not_without_bound(echo: Echo) -> None:
    transport = Transport(max_connections=1, max_pending_calls=1)

    async def main() -> None:
        with ServerSync(echo.application, port=0) as server:
            async with ConnectClient(f"http://127.0.0.1:{server.port}", transport=transport) as client:
                first = asyncio.create_task(client.execute_unary(request=text("wait"), method=ECHO))
                await asyncio.to_thread(echo.await_waiting)
                second = asyncio.create_task(client.execute_unary(request=text("b"), method=ECHO))
                third = asyncio.create_task(client.execute_unary(request=text("c"), method=ECHO))
                with pytest.raises(ConnectError) as refused:
                    await third
                assert refused.value.code is Code.RESOURCE_EXHAUSTED
                first.cancel()
                assert (await second).value == "b"

    asyncio.run(main())


# Health.


@contextmanager
def healthy_server(name: str, *, checked: bool = True) -> Iterator[tuple[int, health.HealthServicer]]:
    """A grpcio server with its health service; gives port and service."""

    def answer(_request: bytes, _context: Any) -> bytes:
        return text(name).SerializeToString()

    handler: Any = grpc.unary_unary_rpc_method_handler(answer)
    server = grpc.server(ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"Echo": handler})])
    servicer = health.HealthServicer()
    if checked:
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port, servicer
    finally:
        servicer.enter_graceful_shutdown()
        server.stop(None).wait()


def test_only_servers_that_say_they_serve_get_calls() -> None:
    serving = health_pb2.HealthCheckResponse.SERVING
    not_serving = health_pb2.HealthCheckResponse.NOT_SERVING
    with (
        healthy_server("a") as (first, first_health),
        healthy_server("b") as (second, second_health),
        healthy_server("c", checked=False) as (third, _),
    ):
        first_health.set(SERVICE, serving)
        second_health.set(SERVICE, not_serving)
        addresses = [f"http://127.0.0.1:{port}" for port in (first, second, third)]
        transport = Transport(health_check=SERVICE, wait_for_ready=True)
        with ConnectClientSync(addresses, protocol=ProtocolType.GRPC, transport=transport) as client:
            # A server that does not know the service of health is taken to serve.
            _until(lambda: {ask(client) for _ in range(6)} == {"a", "c"})
            second_health.set(SERVICE, serving)
            _until(lambda: {ask(client) for _ in range(6)} == {"a", "b", "c"})
            first_health.set(SERVICE, not_serving)
            _until(lambda: {ask(client) for _ in range(6)} == {"b", "c"})


def test_no_server_that_serves_is_unavailable() -> None:
    with healthy_server("a") as (port, servicer):
        servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        transport = Transport(health_check="")
        with ConnectClientSync(
            f"http://127.0.0.1:{port}", protocol=ProtocolType.GRPC, transport=transport
        ) as client:
            with pytest.raises(ConnectError, match="health") as failed:
                ask(client)
            assert failed.value.code is Code.UNAVAILABLE
            servicer.set("", health_pb2.HealthCheckResponse.SERVING)
            assert (
                ask(
                    ConnectClientSync(
                        f"http://127.0.0.1:{port}",
                        protocol=ProtocolType.GRPC,
                        transport=transport,
                        wait_for_ready=True,
                    )
                )
                == "a"
            )


# Proxies.


@PROTOCOLS
def test_calls_go_through_a_proxy(servers: Servers, protocol: ProtocolType) -> None:
    address = servers.start("a")
    with Proxy() as proxy:
        transport = Transport(proxy=f"http://127.0.0.1:{proxy.port}")
        with ConnectClientSync(address, protocol=protocol, transport=transport) as client:
            assert ask(client) == "a"
        assert proxy.asked == [address.removeprefix("http://")]
        # The proxy looks names up, not we.
        named = address.replace("127.0.0.1", "localhost")
        with ConnectClientSync(named, protocol=protocol, transport=transport) as client:
            assert ask(client) == "a"
        assert proxy.asked[1] == named.removeprefix("http://")


def test_a_proxy_asks_for_a_password(servers: Servers) -> None:
    address = servers.start("a")
    # `user:pass word` in base64.
    with Proxy("Basic dXNlcjpwYXNzIHdvcmQ=") as proxy:
        right = Transport(proxy=f"http://user:pass%20word@127.0.0.1:{proxy.port}")
        with ConnectClientSync(address, transport=right) as client:
            assert ask(client) == "a"
        wrong = Transport(proxy=f"http://127.0.0.1:{proxy.port}")
        with ConnectClientSync(address, transport=wrong) as client, pytest.raises(ConnectError) as refused:
            ask(client)
        assert refused.value.code is Code.UNAVAILABLE
        assert "407" in refused.value.message


def test_the_environment_names_proxies(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    address = servers.start("a")
    without_proxies(monkeypatch)
    with Proxy() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        with ConnectClientSync(address, transport=Transport()) as client:
            assert ask(client) == "a"
        assert len(proxy.asked) == 1
        with ConnectClientSync(address, transport=Transport(trust_env=False)) as client:
            assert ask(client) == "a"
        for around in ("example.com,127.0.0.1", "127.0.0.0/8", "*"):
            monkeypatch.setenv("no_proxy", around)
            with ConnectClientSync(address, transport=Transport()) as client:
                assert ask(client) == "a"
        assert len(proxy.asked) == 1


def test_a_proxy_of_another_kind_in_the_environment_is_refused_and_its_password_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_proxies(monkeypatch)
    monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@127.0.0.1:1")
    with pytest.raises(ValueError, match="proxy") as refused:
        ConnectClientSync("http://127.0.0.1:1", transport=Transport())
    assert "secret" not in str(refused.value)


def test_a_proxy_of_another_kind_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="proxy"):
        ConnectClientSync("http://127.0.0.1:1", transport=Transport(proxy="socks5://127.0.0.1:1"))


def test_calls_are_addressed_as_the_transport_says(serve: Serve) -> None:
    async def host(_request: StringValue, ctx: Any) -> StringValue:
        return text(ctx.server_address or "")

    url = f"http://127.0.0.1:{serve(AsyncEcho(unary(host)))}"
    for version in ("1.1", "2"):
        transport = Transport(authority="other.example:8", http_version=version)
        with ConnectClientSync(url, transport=transport) as client:
            assert ask(client) == "other.example:8"
