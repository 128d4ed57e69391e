"""The real Connect-Python, over its own transport, on asyncio."""

from __future__ import annotations

import asyncio

from benchecho.echo_connect import EchoClient
from benchecho.echo_pb2 import FloodRequest, Message
from connectrpc.protocol import ProtocolType
from pyqwest import Client, HTTPTransport, HTTPVersion

from landbridge_bench.callers.measuring import FLOOD, SMALL, arguments, measure


async def main() -> None:
    """Call."""
    port, what, _, _ = arguments()
    async with EchoClient(
        f"http://127.0.0.1:{port}",
        protocol=ProtocolType.GRPC,
        send_compression=None,
        http_client=Client(transport=HTTPTransport(http_version=HTTPVersion.HTTP2)),
    ) as client:

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
