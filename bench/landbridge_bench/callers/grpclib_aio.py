"""grpclib, on asyncio."""

from __future__ import annotations

import asyncio

from benchecho.echo_grpc import EchoStub
from benchecho.echo_pb2 import FloodRequest, Message
from grpclib.client import Channel

from landbridge_bench.callers.measuring import FLOOD, SMALL, arguments, measure


async def main() -> None:
    """Call."""
    port, what, _, _ = arguments()
    async with Channel("127.0.0.1", port) as channel:
        stub = EchoStub(channel)

        async def unary() -> None:
            answer = await stub.Echo(Message(content=SMALL))
            assert answer.content == SMALL

        async def flood() -> None:
            received = 0
            async with stub.Flood.open() as stream:
                await stream.send_message(FloodRequest(count=FLOOD, content=SMALL), end=True)
                async for _ in stream:
                    received += 1
            assert received == FLOOD

        await measure(unary if what == "unary" else flood)


if __name__ == "__main__":
    asyncio.run(main())
