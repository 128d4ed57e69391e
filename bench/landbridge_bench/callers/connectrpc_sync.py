"""The real Connect-Python, over its own transport, on threads."""

from __future__ import annotations

from benchecho.echo_connect import EchoClientSync
from connectrpc.protocol import ProtocolType
from pyqwest import HTTPVersion, SyncClient, SyncHTTPTransport

from landbridge_bench.callers.echoing import measure_echo_sync
from landbridge_bench.callers.measuring import arguments


def main() -> None:
    """Call."""
    port, *_ = arguments()
    with EchoClientSync(
        f"http://127.0.0.1:{port}",
        protocol=ProtocolType.GRPC,
        send_compression=None,
        http_client=SyncClient(transport=SyncHTTPTransport(http_version=HTTPVersion.HTTP2)),
    ) as client:
        measure_echo_sync(client.echo, client.flood)


if __name__ == "__main__":
    main()
