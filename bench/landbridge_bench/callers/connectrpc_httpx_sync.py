"""The real Connect-Python as it was before it had its own transport, over httpx, on threads."""

from __future__ import annotations

import httpx
from benchecho.echo_connect import EchoClientSync
from benchecho.echo_pb2 import FloodRequest, Message

from landbridge_bench.callers.measuring import FLOOD, SMALL, arguments, measure_sync


def main() -> None:
    """Call."""
    port, what, _, _ = arguments()
    with (
        httpx.Client(http1=False, http2=True, trust_env=False) as session,
        EchoClientSync(f"http://127.0.0.1:{port}", session=session) as client,
    ):

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
