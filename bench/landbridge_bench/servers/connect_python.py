"""Connect-Python, as an application for uvicorn, granian and pyvoy."""

from collections.abc import AsyncIterator
from typing import Any

from benchecho.echo_connect import Echo, EchoASGIApplication
from benchecho.echo_pb2 import FloodRequest, Message


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


app = EchoASGIApplication(Service(), read_max_bytes=None)
