"""grpcio, on threads."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from benchecho.echo_pb2 import FloodRequest, Message
from benchecho.echo_pb2_grpc import EchoServicer, add_EchoServicer_to_server


class Service(EchoServicer):
    """The echo."""

    def Echo(self, request: Message, _context: Any) -> Message:  # noqa: N802
        """Answer."""
        return Message(content=request.content)

    def Stream(self, requests: Iterator[Message], _context: Any) -> Iterator[Message]:  # noqa: N802
        """Answer each."""
        for message in requests:
            yield Message(content=message.content)

    def Flood(self, request: FloodRequest, _context: Any) -> Iterator[Message]:  # noqa: N802
        """Answer often."""
        for _ in range(request.count):
            yield Message(content=request.content)


if __name__ == "__main__":
    server = grpc.server(ThreadPoolExecutor(max_workers=8))
    add_EchoServicer_to_server(Service(), server)
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    server.start()
    server.wait_for_termination()
