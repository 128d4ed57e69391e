"""The server under test: the bridge, with the module's gRPC server behind it.

The runner starts this once for every kind of server it wants, says on standard input what kind that is, and
ends it with SIGTERM. Its callers then speak Connect, gRPC and gRPC-Web to the bridge; the backend speaks
nothing but gRPC in the clear.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conformance import official
from tests.conformance.framing import read_message, write_message
from tests.running.bridge import running_bridge
from tests.running.envoy_file import Credentials, ListenerTls, Upstream, envoy_file
from tests.running.processes import ProcessEndedError, leave_on_sigterm, running


def main(logs: Path) -> None:
    """Serve until the runner has had enough."""
    leave_on_sigterm()
    log = logs / f"bridge-{os.getpid()}.log"
    wanted = read_message(sys.stdin.buffer, "ServerCompatRequest")
    if wanted is None:
        raise SystemExit("the runner said nothing on standard input")
    with (
        _grpc_backend(wanted.message_receive_limit) as backend_port,
        running_bridge(_bridge_config(wanted, backend_port), log=log) as bridge,
    ):
        answer = official.message("ServerCompatResponse")
        answer.host, answer.port = "127.0.0.1", bridge.port
        if wanted.use_tls:
            answer.pem_cert = wanted.server_creds.cert
        write_message(sys.stdout.buffer, answer)
        status = bridge.process.wait()
        raise ProcessEndedError(f"the bridge ended with status {status} while it was being tested; see {log}")


@contextmanager
def _grpc_backend(message_receive_limit: int) -> Iterator[int]:
    wanted = official.message("ServerCompatRequest")
    wanted.protocol = official.enum_number("Protocol", "PROTOCOL_GRPC")
    wanted.http_version = official.enum_number("HTTPVersion", "HTTP_VERSION_2")
    wanted.message_receive_limit = message_receive_limit
    with running(
        [official.program("referenceserver")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        # Both ends were asked for as pipes in the line above.
        assert process.stdin is not None
        assert process.stdout is not None
        write_message(process.stdin, wanted)
        process.stdin.close()
        answer = read_message(process.stdout, "ServerCompatResponse")
        if answer is None:
            raise ProcessEndedError(f"the gRPC backend ended with status {process.wait()}")
        yield answer.port


def _bridge_config(wanted: Any, backend_port: int) -> dict[str, Any]:
    settings: dict[str, Any] = {"descriptor_set": str(official.DESCRIPTOR_SET)}
    if wanted.message_receive_limit:
        settings["max_message_bytes"] = wanted.message_receive_limit
    tls = None
    if wanted.use_tls:
        own = Credentials(wanted.server_creds.cert.decode(), wanted.server_creds.key.decode())
        tls = ListenerTls(own, client_ca=wanted.client_tls_cert.decode() or None)
    return envoy_file(Upstream(backend_port, landbridge=settings), tls=tls)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
