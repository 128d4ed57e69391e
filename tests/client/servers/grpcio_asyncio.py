"""The demo's service on grpcio's asyncio server: `python -m tests.client.servers.grpcio_asyncio PORT`.

SIGTERM drains it: calls in flight are finished, others are refused.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
from talk.v1 import talk_pb2, talk_pb2_grpc


class _Talk(talk_pb2_grpc.TalkServiceServicer):
    """The part of the service that clients are tested by."""

    async def Say(self, request: talk_pb2.SayRequest, context: Any) -> talk_pb2.SayResponse:  # noqa: N802
        tags = [value for key, value in context.invocation_metadata() if key == "x-tag"]
        await context.send_initial_metadata([("x-tag-header", tag) for tag in tags])
        context.set_trailing_metadata([("x-tag-trailer", tag) for tag in tags])
        await asyncio.sleep(request.delay_ms / 1000)
        return talk_pb2.SayResponse(sentence=f"You said: {request.sentence}")

    async def Count(  # noqa: N802
        self, request: talk_pb2.CountRequest, _context: Any
    ) -> AsyncIterator[talk_pb2.CountResponse]:
        for number in range(1, request.up_to + 1):
            yield talk_pb2.CountResponse(number=number)

    async def Sum(  # noqa: N802
        self, requests: AsyncIterator[talk_pb2.SumRequest], _context: Any
    ) -> talk_pb2.SumResponse:
        return talk_pb2.SumResponse(total=sum([request.number async for request in requests]))

    async def Converse(  # noqa: N802
        self, requests: AsyncIterator[talk_pb2.ConverseRequest], _context: Any
    ) -> AsyncIterator[talk_pb2.ConverseResponse]:
        async for request in requests:
            yield talk_pb2.ConverseResponse(sentence=f"You said: {request.sentence}")

    async def Fail(self, request: talk_pb2.FailRequest, context: Any) -> None:  # noqa: N802
        await context.abort(grpc.StatusCode.NOT_FOUND, request.message)


async def main() -> None:
    """Serve until told to leave."""
    server = grpc.aio.server()
    talk_pb2_grpc.add_TalkServiceServicer_to_server(_Talk(), server)
    port = server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    await server.start()
    leave = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave.set)
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await leave.wait()
    await server.stop(grace=20)


if __name__ == "__main__":
    asyncio.run(main())
