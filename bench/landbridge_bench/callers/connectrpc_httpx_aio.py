"""The real Connect-Python as it was before it had its own transport, over httpx, on asyncio."""

from __future__ import annotations

import asyncio

import httpx
from benchecho.echo_connect import EchoClient
from benchecho.echo_pb2 import FloodRequest, Message

from landbridge_bench.callers.measuring import FLOOD, SMALL, arguments, measure


async def main() -> None:
    """Call."""
    port, what, _, _ = arguments()
    async with (
        httpx.AsyncClient(http1=False, http2=True, trust_env=False) as session,
        EchoClient(f"http://127.0.0.1:{port}", session=session) as client,
    ):

        async def unary() -> None:
            answer = await client.echo(Message(content=SMALL))
            assert answer.content == SMALL

        async def flood() -> None:
            received = 0
            async for _ in client.flood(FloodRequest(count=FLOOD, content=SMALL)):
                received += 1
            assert received == FLOOD

        await measure(unary if what == "unary" else flood)


if __name__ == "__main__":
    asyncio.run(main())
