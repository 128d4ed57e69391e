"""What generated clients of Connect's shape are measured by, whichever package they are of."""

from __future__ import annotations

from typing import Any

from benchecho.echo_pb2 import FloodRequest, Message

from landbridge_bench.callers.measuring import FLOOD, SMALL, arguments, measure, measure_sync


async def measure_echo(client: Any) -> None:
    """Have an asynchronous client do what the command line says."""
    _, what, _, _ = arguments()

    async def unary() -> None:
        answer = await client.echo(Message(content=SMALL))
        assert answer.content == SMALL

    async def flood() -> None:
        received = 0
        async for _ in client.flood(FloodRequest(count=FLOOD, content=SMALL)):
            received += 1
        assert received == FLOOD

    await measure(unary if what == "unary" else flood)


def measure_echo_sync(client: Any) -> None:
    """The same for a blocking client."""
    _, what, _, _ = arguments()

    def unary() -> None:
        answer = client.echo(Message(content=SMALL))
        assert answer.content == SMALL

    def flood() -> None:
        received = 0
        for _ in client.flood(FloodRequest(count=FLOOD, content=SMALL)):
            received += 1
        assert received == FLOOD

    measure_sync(unary if what == "unary" else flood)
