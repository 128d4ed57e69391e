"""The real Connect-Python as it was before it had its own transport, over httpx, on threads."""

from __future__ import annotations

import httpx
from benchecho.echo_connect import EchoClientSync

from landbridge_bench.callers.echoing import measure_echo_sync
from landbridge_bench.callers.measuring import arguments


def main() -> None:
    """Call."""
    port, *_ = arguments()
    with (
        httpx.Client(http1=False, http2=True, trust_env=False) as session,
        EchoClientSync(f"http://127.0.0.1:{port}", session=session) as client,
    ):
        measure_echo_sync(client.echo, client.flood)


if __name__ == "__main__":
    main()
