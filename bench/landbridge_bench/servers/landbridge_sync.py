"""landbridge, on threads."""

import sys
from collections.abc import Iterator
from typing import Any

from benchecho.echo_connect import EchoSync, EchoWSGIApplication
from benchecho.echo_pb2 import FloodRequest, Message
from landbridge.serving import ServerSync


class Service(EchoSync):
    """The echo."""

    def echo(self, request: Message, _ctx: Any, /) -> Message:
        """Answer."""
        return Message(content=request.content)

    def stream(self, request: Iterator[Message], _ctx: Any, /) -> Iterator[Message]:
        """Answer each."""
        for message in request:
            yield Message(content=message.content)

    def flood(self, request: FloodRequest, _ctx: Any, /) -> Iterator[Message]:
        """Answer often."""
        for _ in range(request.count):
            yield Message(content=request.content)


if __name__ == "__main__":
    with ServerSync(EchoWSGIApplication(Service(), read_max_bytes=None), port=int(sys.argv[1])) as running:
        running.wait()
