"""Servers that are not ours, and ours: all kinds of calls, and what becomes of them when a server dies."""

import asyncio
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from landbridge.client import ConnectClient, ConnectClientSync, ResponseMetadata, Transport
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.method import IdempotencyLevel, MethodInfo, StreamType
from landbridge.protocol import ProtocolType
from talk.v1 import talk_pb2

from tests.running.bridge import COMMAND_VARIABLE, running_bridge
from tests.running.envoy_file import Upstream, envoy_file
from tests.running.paths import OWN_STUBS, ROOT, STUBS
from tests.running.processes import running

BIN = Path(sys.executable).parent


def method(name: str, kind: StreamType) -> MethodInfo[Any, Any]:
    """A method of the demo's service."""
    return MethodInfo(
        name=name,
        service_name="talk.v1.TalkService",
        input=getattr(talk_pb2, f"{name}Request"),
        output=getattr(talk_pb2, f"{name}Response"),
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=kind,
    )


SAY = method("Say", StreamType.UNARY)
FAIL = method("Fail", StreamType.UNARY)
COUNT = method("Count", StreamType.SERVER_STREAM)
SUM = method("Sum", StreamType.CLIENT_STREAM)
CONVERSE = method("Converse", StreamType.BIDI_STREAM)

GRPCIO = (sys.executable, "-m", "demo.server", "{port}")
GRPCIO_ASYNCIO = (sys.executable, "-m", "tests.client.servers.grpcio_asyncio", "{port}")
OWN = (str(BIN / "landbridge"), "serve", "examples.talk_async:application", "--port", "{port}")
UVICORN = (
    *(sys.executable, "-m", "uvicorn", "--port={port}", "--lifespan=off"),
    "tests.client.servers.connect_talk:application",
)
PYVOY = (str(BIN / "pyvoy"), "--port={port}", "tests.client.servers.connect_talk:application")


class Server:
    """A server in a process of its own, which can be killed and started again."""

    def __init__(self, command: tuple[str, ...], log: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._command = [part.format(port=self.port) for part in command]
        self._log = log
        self._running = ExitStack()
        stubs = OWN_STUBS if command is OWN else STUBS
        self._environment = {"PYTHONPATH": f"{ROOT / 'python'}:{ROOT}:{stubs}"}
        self.process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        self.process = self._running.enter_context(
            running(self._command, log=self._log, env=self._environment)
        )
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                assert self.process.poll() is None, self._log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.01)
            else:
                return

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End it."""
        self._running.close()


@contextmanager
def served(command: tuple[str, ...], folder: Path) -> Iterator[Server]:
    """Run a server."""
    server = Server(command, folder / "server.log")
    try:
        server.start()
        yield server
    finally:
        server.close()


CONNECT, GRPC, GRPC_WEB = ProtocolType.CONNECT, ProtocolType.GRPC, ProtocolType.GRPC_WEB

# A server, the protocols that it speaks, the versions of HTTP for each.
PEERS: list[Any] = [
    pytest.param(GRPCIO, GRPC, "2", id="grpcio"),
    pytest.param(GRPCIO_ASYNCIO, GRPC, "2", id="grpcio asyncio"),
    pytest.param(UVICORN, CONNECT, "1.1", id="connectrpc on uvicorn"),
    *(
        pytest.param(PYVOY, protocol, version, id=f"connectrpc on pyvoy {protocol.name.lower()} {version}")
        for protocol in (CONNECT, GRPC, GRPC_WEB)
        for version in ("1.1", "2")
        if protocol is not GRPC or version == "2"
    ),
    *(
        pytest.param(OWN, protocol, version, id=f"our own {protocol.name.lower()} {version}")
        for protocol in (CONNECT, GRPC, GRPC_WEB)
        for version in ("1.1", "2")
        if protocol is not GRPC or version == "2"
    ),
]


async def _numbers() -> AsyncIterator[Any]:
    for number in (1, 20, 300):
        yield talk_pb2.SumRequest(number=number)


async def _all_kinds(url: str, protocol: ProtocolType, version: Any) -> None:
    transport = Transport(http_version=version, trust_env=False)
    async with ConnectClient(url, protocol=protocol, transport=transport, timeout_ms=20_000) as client:
        with ResponseMetadata() as metadata:
            said = await client.execute_unary(
                request=talk_pb2.SayRequest(sentence="hi"), method=SAY, headers={"x-tag": "blue"}
            )
        assert said.sentence == "You said: hi"
        assert metadata.headers["x-tag-header"] == metadata.trailers["x-tag-trailer"] == "blue"
        counted = client.execute_server_stream(request=talk_pb2.CountRequest(up_to=100), method=COUNT)
        assert [one.number async for one in counted] == list(range(1, 101))
        assert (await client.execute_client_stream(request=_numbers(), method=SUM)).total == 321
        with pytest.raises(ConnectError, match="gone") as failed:
            await client.execute_unary(request=talk_pb2.FailRequest(code=5, message="gone"), method=FAIL)
        assert failed.value.code is Code.NOT_FOUND
        if version == "2":
            async with client.execute_bidi_stream(method=CONVERSE) as call:
                for word in ("a", "b", "c"):
                    await call.send(talk_pb2.ConverseRequest(sentence=word))
                    assert (await call.receive()).sentence == f"You said: {word}"
                await call.close_send()
                with pytest.raises(EOFError):
                    await call.receive()


def _all_kinds_sync(url: str, protocol: ProtocolType, version: Any) -> None:
    transport = Transport(http_version=version, trust_env=False)
    with ConnectClientSync(url, protocol=protocol, transport=transport, timeout_ms=20_000) as client:
        said = client.execute_unary(request=talk_pb2.SayRequest(sentence="hi"), method=SAY)
        assert said.sentence == "You said: hi"
        counted = client.execute_server_stream(request=talk_pb2.CountRequest(up_to=100), method=COUNT)
        assert [one.number for one in counted] == list(range(1, 101))
        numbers = [talk_pb2.SumRequest(number=number) for number in (1, 20, 300)]
        assert client.execute_client_stream(request=numbers, method=SUM).total == 321
        if version == "2":
            with client.execute_bidi_stream(method=CONVERSE) as call:
                for word in ("a", "b", "c"):
                    call.send(talk_pb2.ConverseRequest(sentence=word))
                    assert call.receive().sentence == f"You said: {word}"


@pytest.mark.parametrize(("command", "protocol", "version"), PEERS)
def test_all_kinds_of_calls_reach_a_peer(
    own_stubs: str, tmp_path: Path, command: tuple[str, ...], protocol: ProtocolType, version: str
) -> None:
    assert own_stubs
    with served(command, tmp_path) as server:
        asyncio.run(_all_kinds(server.url, protocol, version))
        _all_kinds_sync(server.url, protocol, version)


@pytest.mark.parametrize("protocol", [GRPC, GRPC_WEB], ids=lambda protocol: protocol.name.lower())
def test_all_kinds_of_calls_go_through_envoy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: ProtocolType
) -> None:
    monkeypatch.setenv(COMMAND_VARIABLE, str(BIN / "envoy"))
    with served(GRPCIO, tmp_path) as server, running_bridge(envoy_file(Upstream(server.port))) as envoy:
        asyncio.run(_all_kinds(envoy.url, protocol, "2"))
        _all_kinds_sync(envoy.url, protocol, "2")


def test_unary_calls_of_connect_go_through_envoy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # All that its filter translates.
    monkeypatch.setenv(COMMAND_VARIABLE, str(BIN / "envoy"))
    with (
        served(GRPCIO, tmp_path) as server,
        running_bridge(envoy_file(Upstream(server.port))) as envoy,
        ConnectClientSync(envoy.url, transport=Transport(trust_env=False)) as client,
    ):
        said = client.execute_unary(request=talk_pb2.SayRequest(sentence="hi"), method=SAY)
        assert said.sentence == "You said: hi"
        with pytest.raises(ConnectError, match="gone") as failed:
            client.execute_unary(request=talk_pb2.FailRequest(code=5, message="gone"), method=FAIL)
        assert failed.value.code is Code.NOT_FOUND


# Servers that die under load.


class Load:
    """Threads that call for as long as they are wanted, and count what comes of it."""

    def __init__(self, url: str, protocol: ProtocolType, timeout_ms: float = 20_000) -> None:
        transport = Transport(backoff_max=0.1, trust_env=False, http_version="2")
        self._client = ConnectClientSync(url, protocol=protocol, transport=transport, timeout_ms=timeout_ms)
        self._over = threading.Event()
        self._changed = threading.Condition()
        self.outcomes: Counter[Code | None] = Counter()
        self._threads = [threading.Thread(target=self._call) for _ in range(6)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._client.close()

    def _call(self) -> None:
        while not self._over.is_set():
            outcome = None
            try:
                answer = self._client.execute_unary(
                    request=talk_pb2.SayRequest(sentence="hi", delay_ms=1), method=SAY
                )
                assert answer.sentence == "You said: hi"
            except ConnectError as error:
                outcome = error.code
            with self._changed:
                self.outcomes[outcome] += 1
                self._changed.notify_all()
            if outcome is not None:
                self._over.wait(0.002)

    def await_outcomes(self, code: Code | None, count: int = 30) -> None:
        """Wait for so many more calls that end so; `None` is success."""
        with self._changed:
            wanted = self.outcomes[code] + count
            assert self._changed.wait_for(lambda: self.outcomes[code] >= wanted, timeout=30), self.outcomes


LOADED = pytest.mark.parametrize(
    ("command", "protocol"),
    [
        pytest.param(GRPCIO, GRPC, id="grpcio"),
        pytest.param(OWN, CONNECT, id="our own connect"),
        pytest.param(OWN, GRPC_WEB, id="our own grpc-web"),
    ],
)


@LOADED
def test_a_server_that_is_killed_is_unavailable_until_it_is_back(
    own_stubs: str, tmp_path: Path, command: tuple[str, ...], protocol: ProtocolType
) -> None:
    assert own_stubs
    with served(command, tmp_path) as server, Load(server.url, protocol) as load:
        for _ in range(2):
            load.await_outcomes(None)
            server.kill()
            load.await_outcomes(Code.UNAVAILABLE)
            server.start()
            load.await_outcomes(None)
    assert set(load.outcomes) == {None, Code.UNAVAILABLE}


@LOADED
def test_calls_to_a_server_that_stands_still_end_with_their_deadline(
    own_stubs: str, tmp_path: Path, command: tuple[str, ...], protocol: ProtocolType
) -> None:
    assert own_stubs
    with served(command, tmp_path) as server, Load(server.url, protocol, timeout_ms=500) as load:
        load.await_outcomes(None)
        server.process.send_signal(signal.SIGSTOP)
        try:
            load.await_outcomes(Code.DEADLINE_EXCEEDED, 6)
        finally:
            server.process.send_signal(signal.SIGCONT)
        load.await_outcomes(None)
    assert set(load.outcomes) <= {None, Code.DEADLINE_EXCEEDED}


# grpcio's asyncio server now and then drops a call that comes in the moment in which it stops, or never
# answers it; its own client sees the same.
@pytest.mark.parametrize(
    ("command", "protocol", "others"),
    [
        pytest.param(
            GRPCIO_ASYNCIO, GRPC, {None, Code.CANCELED, Code.DEADLINE_EXCEEDED}, id="grpcio asyncio"
        ),
        pytest.param(OWN, CONNECT, {None}, id="our own connect"),
        pytest.param(OWN, GRPC, {None}, id="our own grpc"),
    ],
)
def test_a_server_that_drains_finishes_the_calls_that_it_has(
    own_stubs: str,
    tmp_path: Path,
    command: tuple[str, ...],
    protocol: ProtocolType,
    others: set[Code | None],
) -> None:
    assert own_stubs
    with served(command, tmp_path) as server:
        transport = Transport(http_version="2", trust_env=False)
        with ConnectClientSync(server.url, protocol=protocol, transport=transport) as client:
            with client.execute_bidi_stream(method=CONVERSE, timeout_ms=30_000) as call:
                call.send(talk_pb2.ConverseRequest(sentence="a"))
                assert call.receive().sentence == "You said: a"
                server.process.send_signal(signal.SIGTERM)
                # New calls are refused, soon; what is in flight goes on.
                deadline = time.monotonic() + 20
                while (code := _code_of_a_call(client)) is not Code.UNAVAILABLE:
                    assert code in others, code
                    assert time.monotonic() < deadline
                call.send(talk_pb2.ConverseRequest(sentence="b"))
                assert call.receive().sentence == "You said: b"
                call.close_send()
                with pytest.raises(EOFError):
                    call.receive()
            server.process.wait(20)
            server.start()
            deadline = time.monotonic() + 20
            while _code_of_a_call(client) is not None:
                assert time.monotonic() < deadline


def _code_of_a_call(client: ConnectClientSync) -> Code | None:
    try:
        client.execute_unary(request=talk_pb2.SayRequest(sentence="hi"), method=SAY, timeout_ms=5_000)
    except ConnectError as error:
        return error.code
    return None
