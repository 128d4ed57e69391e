"""What clients are measured by whose methods are called with a message, whichever package they are of."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable

from benchecho.echo_pb2 import FloodRequest, Message

from landbridge_bench.callers.measuring import FLOOD, SMALL, arguments, measure, measure_sync


async def measure_echo(
    echo: Callable[[Message], Awaitable[Message]],
    flood: Callable[[FloodRequest], AsyncIterable[Message]],
) -> None:
    """Have the methods of an asynchronous client do what the command line says."""
    _, what, _, _ = arguments()

    async def unary() -> None:
        answer = await echo(Message(content=SMALL))
        assert answer.content == SMALL

    async def stream() -> None:
        received = 0
        async for _ in flood(FloodRequest(count=FLOOD, content=SMALL)):
            received += 1
        assert received == FLOOD

    await measure(unary if what == "unary" else stream)


def measure_echo_sync(
    echo: Callable[[Message], Message], flood: Callable[[FloodRequest], Iterable[Message]]
) -> None:
    """The same for a blocking client."""
    _, what, _, _ = arguments()

    def unary() -> None:
        answer = echo(Message(content=SMALL))
        assert answer.content == SMALL

    def stream() -> None:
        received = 0
        for _ in flood(FloodRequest(count=FLOOD, content=SMALL)):
            received += 1
        assert received == FLOOD

    measure_sync(unary if what == "unary" else stream)
