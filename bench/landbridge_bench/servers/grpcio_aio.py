"""grpcio, on asyncio."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
from benchecho.echo_pb2 import FloodRequest, Message
from benchecho.echo_pb2_grpc import EchoServicer, add_EchoServicer_to_server


class Service(EchoServicer):
    """The echo."""

    async def Echo(self, request: Message, _context: Any) -> Message:  # noqa: N802
        """Answer."""
        return Message(content=request.content)

    async def Stream(  # noqa: N802
        self, requests: AsyncIterator[Message], _context: Any
    ) -> AsyncIterator[Message]:
        """Answer each."""
        async for message in requests:
            yield Message(content=message.content)

    async def Flood(self, request: FloodRequest, _context: Any) -> AsyncIterator[Message]:  # noqa: N802
        """Answer often."""
        for _ in range(request.count):
            yield Message(content=request.content)


async def _serve() -> None:
    server = grpc.aio.server()
    add_EchoServicer_to_server(Service(), server)
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve())
