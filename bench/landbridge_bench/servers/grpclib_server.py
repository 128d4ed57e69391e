"""grpclib, gRPC in Python on asyncio."""

import asyncio
import sys
from typing import Any

from benchecho.echo_grpc import EchoBase
from benchecho.echo_pb2 import Message
from grpclib.server import Server


class Service(EchoBase):
    """The echo."""

    async def Echo(self, stream: Any) -> None:  # noqa: N802
        """Answer."""
        request = await stream.recv_message()
        await stream.send_message(Message(content=request.content))

    async def Stream(self, stream: Any) -> None:  # noqa: N802
        """Answer each."""
        async for message in stream:
            await stream.send_message(Message(content=message.content))

    async def Flood(self, stream: Any) -> None:  # noqa: N802
        """Answer often."""
        request = await stream.recv_message()
        for _ in range(request.count):
            await stream.send_message(Message(content=request.content))


async def _serve() -> None:
    server = Server([Service()])
    await server.start("127.0.0.1", int(sys.argv[1]))
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(_serve())
