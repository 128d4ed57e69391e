"""grpcio, on asyncio."""

from __future__ import annotations

import asyncio

import grpc
from benchecho.echo_pb2 import FloodRequest, Message
from benchecho.echo_pb2_grpc import EchoStub

from landbridge_bench.callers.measuring import FLOOD, SMALL, arguments, measure


async def main() -> None:
    """Call."""
    port, what, _, _ = arguments()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = EchoStub(channel)

        async def unary() -> None:
            answer = await stub.Echo(Message(content=SMALL))
            assert answer.content == SMALL

        async def flood() -> None:
            received = 0
            async for _ in stub.Flood(FloodRequest(count=FLOOD, content=SMALL)):
                received += 1
            assert received == FLOOD

        await measure(unary if what == "unary" else flood)


if __name__ == "__main__":
    asyncio.run(main())
