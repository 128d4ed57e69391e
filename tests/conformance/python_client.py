"""The client under test: a program that calls by generated clients of `landbridge.client`.

The runner starts it once. It gives cases on standard input as fast as they are taken, and reads on standard
output what came of each, in any order. The program fails, and with it the suite, where the calls leave a
thread or a warning behind.
"""

import asyncio
import gc
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.conformance import official
from tests.conformance.framing import read_message, write_message

sys.path.insert(0, str(official.STUBS))

CALLS_AT_ONCE = 8
"""With many more, calls that are to be cancelled in time wait for their turn of the interpreter."""

_writing = threading.Lock()


def main(kind: str) -> None:
    """Make calls until the runner closes standard input."""
    run: Callable[[], None] = {"async": lambda: asyncio.run(_in_event_loop()), "sync": _in_threads}[kind]
    left: list[str] = []
    sys.unraisablehook = lambda raised: left.append(f"{raised.exc_value!r} in {raised.object!r}")
    run()
    gc.collect()
    left += [repr(thread) for thread in threading.enumerate() if thread is not threading.main_thread()]
    if left:
        raise SystemExit("left behind by the calls:\n" + "\n".join(left))


async def _in_event_loop() -> None:
    from connectrpc.conformance.v1.service_connect import ConformanceServiceClient  # noqa: PLC0415

    from tests.conformance.caller.asynchronous import call  # noqa: PLC0415
    from tests.conformance.caller.cases import Case  # noqa: PLC0415
    from tests.conformance.caller.clients import Clients  # noqa: PLC0415

    clients = Clients(ConformanceServiceClient)
    room = asyncio.Semaphore(CALLS_AT_ONCE)

    async def work(request: Any) -> None:
        try:
            _answer(request, await call(clients.of(request), Case(request)))
        except Exception as problem:
            _answer(request, problem)
        finally:
            room.release()

    async with asyncio.TaskGroup() as tasks:
        await room.acquire()
        while (request := await asyncio.to_thread(_next_request)) is not None:
            tasks.create_task(work(request))
            await room.acquire()
    for client in clients:
        await client.close()


def _in_threads() -> None:
    from connectrpc.conformance.v1.service_connect import ConformanceServiceClientSync  # noqa: PLC0415

    from tests.conformance.caller.blocking import call  # noqa: PLC0415
    from tests.conformance.caller.cases import Case  # noqa: PLC0415
    from tests.conformance.caller.clients import Clients  # noqa: PLC0415

    # Threads take turns where they wait, and not within a request; `blocking` says why.
    sys.setswitchinterval(1)
    clients = Clients(ConformanceServiceClientSync)
    room = threading.Semaphore(CALLS_AT_ONCE)

    def work(request: Any) -> None:
        try:
            _answer(request, call(clients.of(request), Case(request)))
        except Exception as problem:
            _answer(request, problem)
        finally:
            room.release()

    with ThreadPoolExecutor(CALLS_AT_ONCE) as threads:
        room.acquire()
        while (request := _next_request()) is not None:
            threads.submit(work, request)
            room.acquire()
    for client in clients:
        client.close()


def _next_request() -> Any | None:
    return read_message(sys.stdin.buffer, "ClientCompatRequest")


def _answer(request: Any, result: Any) -> None:
    """Say what came of a case: what the caller gives, or why it gives nothing."""
    from connectrpc.conformance.v1 import client_compat_pb2  # noqa: PLC0415

    answer = client_compat_pb2.ClientCompatResponse(test_name=request.test_name)
    if isinstance(result, Exception):
        answer.error.message = f"{type(result).__name__}: {result}"
    else:
        answer.response.CopyFrom(result)
    with _writing:
        write_message(sys.stdout.buffer, answer)


if __name__ == "__main__":
    main(sys.argv[1])
