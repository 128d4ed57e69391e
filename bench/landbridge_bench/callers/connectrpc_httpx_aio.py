"""The real Connect-Python as it was before it had its own transport, over httpx, on asyncio."""

from __future__ import annotations

import asyncio

import httpx
from benchecho.echo_connect import EchoClient

from landbridge_bench.callers.echoing import measure_echo
from landbridge_bench.callers.measuring import arguments


async def main() -> None:
    """Call."""
    port, *_ = arguments()
    async with (
        httpx.AsyncClient(http1=False, http2=True, trust_env=False) as session,
        EchoClient(f"http://127.0.0.1:{port}", session=session) as client,
    ):
        await measure_echo(client.echo, client.flood)


if __name__ == "__main__":
    asyncio.run(main())
