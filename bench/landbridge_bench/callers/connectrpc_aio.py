"""The real Connect-Python, over its own transport, on asyncio."""

from __future__ import annotations

import asyncio

from benchecho.echo_connect import EchoClient
from connectrpc.protocol import ProtocolType
from pyqwest import Client, HTTPTransport, HTTPVersion

from landbridge_bench.callers.echoing import measure_echo
from landbridge_bench.callers.measuring import arguments


async def main() -> None:
    """Call."""
    port, *_ = arguments()
    async with EchoClient(
        f"http://127.0.0.1:{port}",
        protocol=ProtocolType.GRPC,
        send_compression=None,
        http_client=Client(transport=HTTPTransport(http_version=HTTPVersion.HTTP2)),
    ) as client:
        await measure_echo(client.echo, client.flood)


if __name__ == "__main__":
    asyncio.run(main())
