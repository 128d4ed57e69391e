"""grpcio, on threads."""

from __future__ import annotations

import grpc
from benchecho.echo_pb2 import FloodRequest, Message
from benchecho.echo_pb2_grpc import EchoStub

from landbridge_bench.callers.measuring import FLOOD, SMALL, arguments, measure_sync


def main() -> None:
    """Call."""
    port, what, _, _ = arguments()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = EchoStub(channel)

        def unary() -> None:
            answer = stub.Echo(Message(content=SMALL))
            assert answer.content == SMALL

        def flood() -> None:
            received = 0
            for _ in stub.Flood(FloodRequest(count=FLOOD, content=SMALL)):
                received += 1
            assert received == FLOOD

        measure_sync(unary if what == "unary" else flood)


if __name__ == "__main__":
    main()
