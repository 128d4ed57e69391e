"""The client under test: a program that calls by `landbridge.client`.

The runner starts it once. It gives cases on standard input as fast as they are taken, and reads on standard output
what came of each, in any order.
"""

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.conformance import official
from tests.conformance.framing import read_message, write_message

sys.path.insert(0, str(official.STUBS))

CALLS_AT_ONCE = 16

_writing = threading.Lock()


def main(kind: str) -> None:
    """Make calls until the runner closes standard input."""
    run: Callable[[], None] = {"async": lambda: asyncio.run(_in_event_loop()), "sync": _in_threads}[kind]
    run()


async def _in_event_loop() -> None:
    from landbridge.client import ConnectClient  # noqa: PLC0415

    from tests.conformance.caller.asynchronous import call  # noqa: PLC0415
    from tests.conformance.caller.cases import Case  # noqa: PLC0415
    from tests.conformance.caller.clients import Clients  # noqa: PLC0415

    clients = Clients(ConnectClient)
    room = asyncio.Semaphore(CALLS_AT_ONCE)

    async def work(request: Any) -> None:
        try:
            _answer(request.test_name, await call(clients.of(request), Case(request)))
        except Exception as problem:
            _answer(request.test_name, problem)
        finally:
            room.release()

    async with asyncio.TaskGroup() as tasks:
        while True:
            await room.acquire()
            request = await asyncio.to_thread(_next_request)
            if request is None:
                return
            tasks.create_task(work(request))


def _in_threads() -> None:
    from landbridge.client import ConnectClientSync  # noqa: PLC0415

    from tests.conformance.caller.blocking import call  # noqa: PLC0415
    from tests.conformance.caller.cases import Case  # noqa: PLC0415
    from tests.conformance.caller.clients import Clients  # noqa: PLC0415

    clients = Clients(ConnectClientSync)
    room = threading.Semaphore(CALLS_AT_ONCE)

    def work(request: Any) -> None:
        try:
            _answer(request.test_name, call(clients.of(request), Case(request)))
        except Exception as problem:
            _answer(request.test_name, problem)
        finally:
            room.release()

    with ThreadPoolExecutor(CALLS_AT_ONCE) as threads:
        while True:
            room.acquire()
            request = _next_request()
            if request is None:
                return
            threads.submit(work, request)


def _next_request() -> Any | None:
    return read_message(sys.stdin.buffer, "ClientCompatRequest")


def _answer(test_name: str, result: Any) -> None:
    """Say what came of a case: what the caller gives, or why there is nothing."""
    from connectrpc.conformance.v1 import client_compat_pb2  # noqa: PLC0415

    answer = client_compat_pb2.ClientCompatResponse(test_name=test_name)
    if isinstance(result, Exception):
        answer.error.message = f"{type(result).__name__}: {result}"
    else:
        answer.response.CopyFrom(result)
    with _writing:
        write_message(sys.stdout.buffer, answer)


if __name__ == "__main__":
    main(sys.argv[1])
