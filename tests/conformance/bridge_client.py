"""The client under test: the module's reference client, with the bridge between it and the server.

The runner sends cases meant for a gRPC client. Each is turned into a call in another protocol to the bridge's
plain listener, whose upstream is the server that the case names; so what reaches that server is the bridge's
gRPC, and the server judges it by the expectations that the runner put into the call's metadata.

What is turned: host, port, TLS material, protocol and codec, and the HTTP version, which stays HTTP/2 so that
full-duplex streams work. What is left: messages, metadata, timeout, compression, cancellation. The reference
client does those as it would without the bridge, and the bridge has to carry them across.
"""

import subprocess
import sys
import threading
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx

from tests.conformance import official
from tests.conformance.framing import read_message, write_message
from tests.running.bridge import Bridge, running_bridge
from tests.running.envoy_file import Credentials, Upstream, UpstreamTls, envoy_file
from tests.running.processes import leave_on_sigterm, running

MAX_BRIDGES = 6
"""Bridges alive at once. The runner keeps four servers at most; bridges of finished ones linger a while."""


def main(protocol: str, codec: str, logs: Path) -> None:
    """Relay cases and their results until the runner closes standard input."""
    leave_on_sigterm()
    with (
        _Bridges(logs) as bridges,
        running(
            [official.program("referenceclient"), "-p", "16"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as client,
    ):
        # Both ends were asked for as pipes in the line above.
        assert client.stdin is not None
        assert client.stdout is not None
        results = threading.Thread(target=_relay_results, args=(client.stdout, bridges), daemon=True)
        results.start()
        while (case := read_message(sys.stdin.buffer, "ClientCompatRequest")) is not None:
            _turn(case, bridges.towards(case), protocol, codec)
            write_message(client.stdin, case)
        client.stdin.close()
        results.join()


def _turn(case: Any, bridge: Bridge, protocol: str, codec: str) -> None:
    case.protocol = official.enum_number("Protocol", protocol)
    case.codec = official.enum_number("Codec", codec)
    case.http_version = official.enum_number("HTTPVersion", "HTTP_VERSION_2")
    case.host, case.port = "127.0.0.1", bridge.port
    case.ClearField("server_tls_cert")
    case.ClearField("client_tls_creds")


def _relay_results(results: IO[bytes], bridges: "_Bridges") -> None:
    while (result := read_message(results, "ClientCompatResponse")) is not None:
        bridges.finished(result.test_name)
        write_message(sys.stdout.buffer, result)


Server = tuple[str, int, bytes, bytes]
"""What tells one server under the runner from another: host, port, its certificate, the caller's."""


@dataclass
class _Live:
    bridge: Bridge
    lifetime: ExitStack
    calls: set[str] = field(default_factory=set)


class _Bridges:
    """One bridge for every server, a bounded number of them; one with calls in it is never ended."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._started = 0
        # The one used last is at the end.
        self._live: OrderedDict[Server, _Live] = OrderedDict()
        self._call_finished = threading.Condition()

    def __enter__(self) -> "_Bridges":
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as all_of_them:
            for live in self._live.values():
                all_of_them.callback(live.lifetime.close)

    def towards(self, case: Any) -> Bridge:
        """Return the bridge to a case's server, with the case counted among its calls."""
        server = (case.host, case.port, case.server_tls_cert, case.client_tls_creds.cert)
        with self._call_finished:
            if server not in self._live:
                self._make_room()
                self._live[server] = self._start(case)
            self._live.move_to_end(server)
            live = self._live[server]
            live.calls.add(case.test_name)
            return live.bridge

    def finished(self, test_name: str) -> None:
        """Take note that a case's result has come."""
        with self._call_finished:
            for live in self._live.values():
                live.calls.discard(test_name)
            self._call_finished.notify()

    def _make_room(self) -> None:
        while len(self._live) >= MAX_BRIDGES:
            idle = next((server for server, live in self._live.items() if not live.calls), None)
            if idle is None:
                self._call_finished.wait()
            else:
                self._live.pop(idle).lifetime.close()

    def _start(self, case: Any) -> _Live:
        self._started += 1
        log = self._logs / f"bridge-{self._started}.log"
        with ExitStack() as lifetime:
            bridge = lifetime.enter_context(running_bridge(_bridge_config(case), log=log))
            _introduce(bridge)
            return _Live(bridge, lifetime.pop_all())


def _bridge_config(case: Any) -> dict[str, Any]:
    tls = None
    if case.server_tls_cert:
        creds = case.client_tls_creds
        own = Credentials(creds.cert.decode(), creds.key.decode()) if creds.cert else None
        tls = UpstreamTls(case.server_tls_cert.decode(), own, server_name="localhost")
    settings = {"descriptor_set": str(official.DESCRIPTOR_SET)}
    return envoy_file(Upstream(case.port, case.host, tls=tls, landbridge=settings))


def _introduce(bridge: Bridge) -> None:
    """Make one call, so that the bridge has heard from the server which compressions it takes.

    A gRPC server says so with each answer and never before; until then a bridge can hand on no compressed
    message as it came. The cases ask what it does once it knows.
    """
    answer = httpx.post(
        f"{bridge.url}/connectrpc.conformance.v1.ConformanceService/Unary",
        headers={
            "content-type": "application/proto",
            "connect-protocol-version": "1",
            # The reference server answers nobody who does not name a case.
            "x-test-case-name": "introduction",
        },
    )
    answer.raise_for_status()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
