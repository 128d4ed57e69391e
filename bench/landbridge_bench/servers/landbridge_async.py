"""landbridge, on asyncio."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

from benchecho.echo_connect import Echo, EchoASGIApplication
from benchecho.echo_pb2 import FloodRequest, Message
from landbridge.serving import Server


class Service(Echo):
    """The echo."""

    async def echo(self, request: Message, _ctx: Any, /) -> Message:
        """Answer."""
        return Message(content=request.content)

    async def stream(self, request: AsyncIterator[Message], _ctx: Any, /) -> AsyncIterator[Message]:
        """Answer each."""
        async for message in request:
            yield Message(content=message.content)

    async def flood(self, request: FloodRequest, _ctx: Any, /) -> AsyncIterator[Message]:
        """Answer often."""
        for _ in range(request.count):
            yield Message(content=request.content)


async def _serve() -> None:
    async with Server(EchoASGIApplication(Service(), read_max_bytes=None), port=int(sys.argv[1])) as server:
        await server.wait()


if __name__ == "__main__":
    asyncio.run(_serve())
