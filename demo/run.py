"""`python -m demo.run`: every kind of client, with the bridge in the middle and without.

Starts a grpc-python server on 8081 and the bridge with `demo/envoy.yaml`, the guide's file, on 8080 (admin on
9090); and a Python server on landbridge, with no proxy, on 8082. Drives both with every client, prints the
tables, and leaves nothing behind. With `--keep` they stay up until Ctrl-C.
"""

import argparse
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from demo import rows, table
from demo.clients import admin, connect_python, curl, grpc_web_bytes, grpcio_aio, grpcio_sync
from tests.running.bridge import bridge_command, running_bridge
from tests.running.processes import ProcessEndedError, leave_on_sigterm, running
from tests.running.python_server import running_python_server

ENVOY_FILE = Path(__file__).parent / "envoy.yaml"
"""The file of Connect-Python's guide, byte for byte; the three ports are the ones in it."""

BRIDGE_PORT, SERVER_PORT, ADMIN_PORT, PYTHON_PORT = 8080, 8081, 9090, 8082
ORIGIN = f"http://127.0.0.1:{BRIDGE_PORT}"
ADMIN_ORIGIN = f"http://127.0.0.1:{ADMIN_PORT}"
PYTHON_SERVICE = "examples.talk_async:application"
PYTHON_ORIGIN = f"http://127.0.0.1:{PYTHON_PORT}"


def main() -> int:
    """Run the demo; return its exit status."""
    parser = argparse.ArgumentParser(prog="demo.run", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave server and bridge running, until Ctrl-C")
    keep: bool = parser.parse_args().keep
    leave_on_sigterm()
    if taken := [port for port in (BRIDGE_PORT, SERVER_PORT, ADMIN_PORT, PYTHON_PORT) if _is_taken(port)]:
        ports = " and ".join(map(str, taken))
        print(
            f"The demo needs ports 8080 to 8082 and 9090, but something listens on {ports}: stop that first."
        )
        return 2
    try:
        with (
            _grpc_python_server(),
            running_bridge(ENVOY_FILE),
            running_python_server(PYTHON_SERVICE, PYTHON_PORT),
        ):
            print(f"grpc-python server on 127.0.0.1:{SERVER_PORT}")
            print(f"{' '.join(bridge_command())} -c {ENVOY_FILE} on 127.0.0.1:{BRIDGE_PORT}\n")
            all_rows = [
                *grpcio_sync.rows(f"127.0.0.1:{BRIDGE_PORT}"),
                *grpcio_aio.rows(f"127.0.0.1:{BRIDGE_PORT}"),
                *connect_python.rows(ORIGIN),
                *curl.rows(ORIGIN),
                *grpc_web_bytes.rows(ORIGIN),
                *admin.rows(ADMIN_ORIGIN),
            ]
            passed = table.print_table(all_rows, rows.run(all_rows), served="the bridge")
            print(f"\nA Python server on landbridge, with no proxy, on 127.0.0.1:{PYTHON_PORT}\n")
            direct_rows = [
                *grpcio_sync.rows(f"127.0.0.1:{PYTHON_PORT}"),
                *grpcio_aio.rows(f"127.0.0.1:{PYTHON_PORT}"),
                *connect_python.rows(PYTHON_ORIGIN),
                *curl.rows(PYTHON_ORIGIN),
                *grpc_web_bytes.rows(PYTHON_ORIGIN),
            ]
            passed &= table.print_table(direct_rows, rows.run(direct_rows), served="the server")
            if keep:
                _stay_up_until_interrupted()
    except ProcessEndedError as error:
        print(error)
        return 1
    except KeyboardInterrupt:
        print("\nstopped")
        return 130
    return 0 if passed else 1


def _stay_up_until_interrupted() -> None:
    print("\nServer and bridge stay up until Ctrl-C. Try:\n")
    for line in (*curl.lines_to_try(ORIGIN), f"curl {ADMIN_ORIGIN}/stats"):
        print(f"  {line}")
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        signal.pause()


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        # Connections of a run that has just ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return True
    return False


@contextmanager
def _grpc_python_server() -> Iterator[None]:
    command = [sys.executable, "-m", "demo.server", str(SERVER_PORT)]
    with running(command, stdout=subprocess.PIPE) as process:
        # Asked for as a pipe in the line above.
        assert process.stdout is not None
        if not process.stdout.readline().startswith(b"listening"):
            raise ProcessEndedError(f"the grpc-python server ended with status {process.wait()}")
        yield


if __name__ == "__main__":
    sys.exit(main())
