"""A grpc-python server in a process of its own, killed, stopped and started again behind the bridge."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from talk.v1 import talk_pb2

from tests.peers.conftest import http_client
from tests.peers.connect import END_STREAM, envelope, envelopes, error_of, path, post_proto
from tests.running.bridge import Bridge
from tests.running.processes import running


@dataclass(frozen=True)
class Server:
    """The demo's server, listening."""

    process: "subprocess.Popen[bytes]"
    port: int

    def send(self, which: signal.Signals) -> None:
        """Send a signal to the whole of it."""
        os.killpg(self.process.pid, which)


@contextmanager
def _server(port: int = 0) -> Iterator[Server]:
    command = [sys.executable, "-m", "demo.server", str(port)]
    with running(command, stdout=subprocess.PIPE) as process:
        # Asked for as a pipe in the line above.
        assert process.stdout is not None
        with process.stdout:
            said = process.stdout.readline().decode()
            yield Server(process, int(said.rsplit(":", 1)[1]))


def test_a_server_that_is_killed_ends_its_streams_with_an_error_and_is_found_again(
    start_bridge: Callable[..., Bridge],
) -> None:
    with _server() as server:
        bridge = start_bridge(server.port)
        request = talk_pb2.CountRequest(name="killed", up_to=1_000_000, delay_ms=5).SerializeToString()
        headers = {"content-type": "application/connect+proto"}
        with (
            http_client(bridge) as client,
            client.stream("POST", path("Count"), content=envelope(request), headers=headers) as answer,
        ):
            pieces = answer.iter_raw()
            received = next(pieces)
            server.send(signal.SIGKILL)
            received += b"".join(pieces)
        *messages, (flags, end) = envelopes(received)
        assert messages
        assert flags == END_STREAM
        assert b'"unavailable"' in end
    with _server(server.port), http_client(bridge) as client:
        # Early calls may still meet the back-off after a failure; each is answered at once.
        give_up = time.monotonic() + 20
        while (answer := post_proto(client, "Say", b"")).status_code != 200:
            assert error_of(answer)["code"] == "unavailable"
            assert time.monotonic() < give_up, "the server is back, but calls still fail"


def test_a_server_that_is_stopped_costs_its_calls_their_time_and_no_more(
    start_bridge: Callable[..., Bridge],
) -> None:
    with _server() as server:
        bridge = start_bridge(server.port, route={"timeout": "0.5s"})
        with http_client(bridge) as client:
            assert post_proto(client, "Say", b"").status_code == 200
            server.send(signal.SIGSTOP)
            try:
                assert error_of(post_proto(client, "Say", b""))["code"] == "deadline_exceeded"
            finally:
                server.send(signal.SIGCONT)
            assert post_proto(client, "Say", b"").status_code == 200
        assert "cluster.service_0.upstream_rq_timeout: 1\n" in bridge.admin_text("/stats")
