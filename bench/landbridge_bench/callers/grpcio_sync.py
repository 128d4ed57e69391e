"""grpcio, on threads."""

from __future__ import annotations

import grpc
from benchecho.echo_pb2_grpc import EchoStub

from landbridge_bench.callers.echoing import measure_echo_sync
from landbridge_bench.callers.measuring import arguments


def main() -> None:
    """Call."""
    port, *_ = arguments()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = EchoStub(channel)
        measure_echo_sync(stub.Echo, stub.Flood)


if __name__ == "__main__":
    main()
