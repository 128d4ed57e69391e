"""landbridge, on threads."""

from __future__ import annotations

from benchecho.echo_connect import EchoClientSync
from benchecho.echo_pb2 import FloodRequest, Message
from landbridge.protocol import ProtocolType

from landbridge_bench.callers.measuring import FLOOD, SMALL, arguments, measure_sync


def main() -> None:
    """Call."""
    port, what, _, _ = arguments()
    with EchoClientSync(
        f"http://127.0.0.1:{port}", protocol=ProtocolType.GRPC, send_compression=None
    ) as client:

        def unary() -> None:
            answer = client.echo(Message(content=SMALL))
            assert answer.content == SMALL

        def flood() -> None:
            received = 0
            for _ in client.flood(FloodRequest(count=FLOOD, content=SMALL)):
                received += 1
            assert received == FLOOD

        measure_sync(unary if what == "unary" else flood)


if __name__ == "__main__":
    main()
