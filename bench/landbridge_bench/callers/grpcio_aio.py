"""grpcio, on asyncio."""

from __future__ import annotations

import asyncio

import grpc
from benchecho.echo_pb2_grpc import EchoStub

from landbridge_bench.callers.echoing import measure_echo
from landbridge_bench.callers.measuring import arguments


async def main() -> None:
    """Call."""
    port, *_ = arguments()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = EchoStub(channel)
        await measure_echo(stub.Echo, stub.Flood)


if __name__ == "__main__":
    asyncio.run(main())
