"""The life of a process with a server in it: what is imported, what is left behind, forks, and the end."""

from collections.abc import Callable

import pytest

RunPython = Callable[[str], str]

PREAMBLE = """
import asyncio, os, signal, sys, threading, time
import httpx
from landbridge.method import StreamType
from landbridge.serving import Server, ServerSync
from tests.package.echo import SERVICE, AsyncEcho, SyncEcho, text, unary

def ask(port, name="Echo", **more):
    return httpx.post(f"http://127.0.0.1:{port}/{SERVICE}/{name}", json="a", timeout=30, **more).json()

async def echo(request, ctx):
    return request

def echo_sync(request, ctx):
    return request

applications = AsyncEcho(unary(echo)), SyncEcho({"Sync": (StreamType.UNARY, echo_sync)})
"""
"""Warnings are errors in these programs, and Python looks for what is left open."""

ENDLESS = """
began = threading.Semaphore(0)

async def wait(request, ctx):
    began.release()
    await asyncio.get_running_loop().create_future()

async def flood(request, ctx):
    began.release()
    while True:
        yield text("x" * 1000)

def wait_sync(requests, ctx):
    began.release()
    yield from requests

def sleep_sync(request, ctx):
    began.release()
    time.sleep(60)

def flood_sync(request, ctx):
    began.release()
    while True:
        yield text("x" * 1000)

endless = (
    AsyncEcho({"Wait": (StreamType.UNARY, wait), "Flood": (StreamType.SERVER_STREAM, flood)}),
    SyncEcho({
        "WaitSync": (StreamType.BIDI_STREAM, wait_sync),
        "SleepSync": (StreamType.UNARY, sleep_sync),
        "FloodSync": (StreamType.SERVER_STREAM, flood_sync),
    }),
)

def call_all(port):
    # Connections that are kept open, with a call on each. One of them is read from.
    import socket
    connections = []
    for name in ("Wait", "Flood", "WaitSync", "SleepSync", "FloodSync"):
        kind = b"application/proto" if name in ("Wait", "SleepSync") else b"application/connect+proto"
        body = b"" if name in ("Wait", "SleepSync") else bytes(5)
        connection = socket.create_connection(("127.0.0.1", port))
        chunked = name == "WaitSync"
        length = b"transfer-encoding: chunked" if chunked else b"content-length: %d" % len(body)
        head = f"POST /{SERVICE}/{name} HTTP/1.1\\r\\nhost: x\\r\\n".encode()
        content = b"5\\r\\n" + body + b"\\r\\n" if chunked else body
        connection.sendall(head + b"content-type: " + kind + b"\\r\\n" + length + b"\\r\\n\\r\\n" + content)
        connections.append(connection)
    for _ in connections:
        assert began.acquire(timeout=30)
    return connections
"""
"""Handlers that never end by themselves."""


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        ("landbridge", {"asyncio", "typing", "landbridge._core"}),
        ("landbridge.errors", {"asyncio", "google", "landbridge._core", "protobuf"}),
        ("landbridge.interceptor", {"asyncio", "landbridge._core"}),
        ("landbridge.server", {"asyncio", "google", "landbridge.serving", "protobuf", "typing_extensions"}),
        ("landbridge.serving", {"argparse", "google", "landbridge._serve", "protobuf", "trio", "uvloop"}),
        ("landbridge.compat", {"asyncio", "google", "landbridge._core"}),
        (
            "landbridge.client",
            {
                "asyncio",
                "google",
                "landbridge.client._in_memory",
                "landbridge.client._streams",
                "landbridge.client._streams_sync",
                "landbridge.client._transport",
                "protobuf",
            },
        ),
    ],
)
def test_importing_a_module_imports_nothing_that_is_not_used(
    imported: str, absent: set[str], run_python: RunPython
) -> None:
    loaded = run_python(f"import sys, {imported}\nprint(*sys.modules)").split()
    assert imported in loaded
    assert absent.isdisjoint(loaded)


def test_what_runs_blocking_handlers_beside_an_event_loop_is_loaded_for_those(run_python: RunPython) -> None:
    program = """
import sys
from tests.package.echo import AsyncEcho, unary

async def echo(request, ctx):
    return request

def echo_sync(request, ctx):
    return request

for function in (echo, echo_sync):
    assert AsyncEcho(unary(function))._operations
    print("landbridge._operations.on_threads" in sys.modules)
"""
    assert run_python(program) == "False\nTrue\n"


def test_serving_binary_messages_does_not_load_json(run_python: RunPython) -> None:
    program = """
import sys
with ServerSync(*applications, port=0) as server:
    url = f"http://127.0.0.1:{server.port}/{SERVICE}/Echo"
    assert httpx.post(url, content=b"", headers={"content-type": "application/proto"}).is_success
    print("google.protobuf.json_format" in sys.modules, "protobuf" in sys.modules)
"""
    assert run_python(PREAMBLE + program) == "False False\n"


def test_a_stopped_server_leaves_no_thread_and_no_descriptor(run_python: RunPython) -> None:
    program = """
def state():
    return {thread.name for thread in threading.enumerate()}, os.listdir("/proc/self/fd")

def serve():
    with ServerSync(*applications, port=0, threads=3, io_threads=2) as server:
        assert ask(server.port) == ask(server.port, "Sync") == "a"

async def serve_async():
    async with Server(*applications, port=0, threads=3, io_threads=2) as server:
        answers = await asyncio.gather(
            asyncio.to_thread(ask, server.port), asyncio.to_thread(ask, server.port, "Sync")
        )
        assert answers == ["a", "a"]

serve()
before = state()
for _ in range(3):
    serve()
    asyncio.run(serve_async())
assert state() == before, (before, state())
print("clean")
"""
    assert run_python(PREAMBLE + program) == "clean\n"


@pytest.mark.parametrize("way", ["ServerSync", "Server"])
def test_a_process_ends_with_calls_in_flight(way: str, run_python: RunPython) -> None:
    start = {
        "ServerSync": """
server = ServerSync(*endless, port=0)
server.start()
connections = call_all(server.port)
""",
        "Server": """
async def main():
    server = Server(*endless, port=0)
    await server.start()
    return await asyncio.to_thread(call_all, server.port)

connections = asyncio.run(main())
""",
    }[way]
    # The connections outlive what Python looks at in its end.
    program = start + "import builtins\nbuiltins.kept = [c.detach() for c in connections]\nprint('end')"
    assert run_python(PREAMBLE + ENDLESS + program) == "end\n"


def test_a_server_that_is_thrown_away_does_not_keep_the_process(run_python: RunPython) -> None:
    program = """
async def main():
    await Server(*applications, port=0).start()

asyncio.run(main())
print("end")
"""
    assert run_python(PREAMBLE + program) == "end\n"


def test_a_fork_serves_on_and_may_serve_itself(run_python: RunPython) -> None:
    program = """
import warnings
# Python 3.12 warns of every fork with threads; what happens to these is the test.
warnings.simplefilter("ignore", DeprecationWarning)

with ServerSync(*applications, port=0) as server:
    assert ask(server.port) == ask(server.port, "Sync") == "a"
    child = os.fork()
    if not child:
        # Ended by the alarm rather than never.
        signal.alarm(30)
        assert ask(server.port) == "a"
        with ServerSync(*applications, port=0) as own:
            assert ask(own.port) == ask(own.port, "Sync") == "a"

        async def main():
            async with Server(*applications, port=0) as own:
                return await asyncio.to_thread(ask, own.port)

        assert asyncio.run(main()) == "a"
        # The parent's is gone here, and says so rather than wait.
        server.stop()
        server.wait()
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert ask(server.port) == ask(server.port, "Sync") == "a"
print("end")
"""
    assert run_python(PREAMBLE + program) == "end\n"


def test_a_child_of_multiprocessing_ends_as_any_other(run_python: RunPython) -> None:
    program = """
import multiprocessing, warnings
warnings.simplefilter("ignore", DeprecationWarning)

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    with ServerSync(*applications, port=0) as server:
        assert ask(server.port) == "a"
        with context.Pool(2) as pool:
            assert pool.map(ask, [server.port] * 4) == ["a"] * 4
print("end")
"""
    assert run_python(PREAMBLE + program) == "end\n"


@pytest.mark.parametrize("way", ["wait", "call"])
def test_a_signal_is_seen_while_the_main_thread_blocks(way: str, run_python: RunPython) -> None:
    block = {"wait": "server.wait()", "call": "time.sleep(60)"}[way]
    program = f"""
def interrupt(*_):
    raise InterruptedError

signal.signal(signal.SIGUSR1, interrupt)
main = os.getpid()

def signal_when_asked(request, ctx):
    os.kill(main, signal.SIGUSR1)
    return request

application = SyncEcho({{"Signal": (StreamType.UNARY, signal_when_asked)}})
with ServerSync(application, port=0) as server:
    asking = threading.Thread(target=ask, args=(server.port, "Signal"))
    try:
        asking.start()
        {block}
    except InterruptedError:
        print("seen")
    asking.join()
"""
    assert run_python(PREAMBLE + program) == "seen\n"


def test_an_interrupt_stops_a_server_in_the_middle_of_a_handler(run_python: RunPython) -> None:
    # The first only asks asyncio's main task to leave, which a handler that blocks does not let it do.
    program = """
async def interrupted(request, ctx):
    if request.value == "a":
        raise KeyboardInterrupt
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    return request

async def main():
    async with Server(AsyncEcho(unary(interrupted)), port=0) as server:
        def call(word):
            return httpx.post(f"http://127.0.0.1:{server.port}/{SERVICE}/Echo", json=word).status_code
        # That of a handler is its call's.
        print(await asyncio.to_thread(call, "a"), await asyncio.to_thread(call, "a"))
        threading.Thread(target=call, args="b", daemon=True).start()
        await server.wait()

import logging
logging.disable()
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("stopped")
"""
    assert run_python(PREAMBLE + program) == "500 500\nstopped\n"


def test_generators_that_are_not_read_to_their_end_are_closed(run_python: RunPython) -> None:
    program = """
closed = threading.Semaphore(0)

async def count(request, ctx):
    try:
        while True:
            yield text("x" * 1000)
    finally:
        closed.release()

def count_sync(request, ctx):
    try:
        while True:
            yield text("x" * 1000)
    finally:
        closed.release()

endless = (
    AsyncEcho({"Count": (StreamType.SERVER_STREAM, count)}),
    SyncEcho({"CountSync": (StreamType.SERVER_STREAM, count_sync)}),
)
with ServerSync(*endless, port=0) as server:
    for name in ("Count", "CountSync"):
        url = f"http://127.0.0.1:{server.port}/{SERVICE}/{name}"
        headers = {"content-type": "application/connect+proto"}
        with httpx.stream("POST", url, content=bytes(5), headers=headers) as answer:
            assert answer.is_success
        assert closed.acquire(timeout=30)
print("closed")
"""
    assert run_python(PREAMBLE + program) == "closed\n"


def test_an_application_may_be_used_by_threads_without_an_event_loop(run_python: RunPython) -> None:
    # What WSGI servers do: no asyncio is loaded for them.
    program = """
import io, sys
from landbridge.server import ConnectWSGIApplication, EndpointSync
from landbridge.method import IdempotencyLevel, MethodInfo, StreamType
from google.protobuf.wrappers_pb2 import StringValue

class Application(ConnectWSGIApplication):
    path = "/a.B"

method = MethodInfo(
    name="C", service_name="a.B", input=StringValue, output=StringValue,
    idempotency_level=IdempotencyLevel.UNKNOWN, stream_type=StreamType.UNARY,
)
application = Application(endpoints={"/a.B/C": EndpointSync.unary(method, lambda request, ctx: request)})
environ = {
    "REQUEST_METHOD": "POST", "PATH_INFO": "/a.B/C", "CONTENT_TYPE": "application/json",
    "CONTENT_LENGTH": "3", "wsgi.input": io.BytesIO(b'"a"'), "SERVER_PROTOCOL": "HTTP/1.1",
}
answer = application(environ, lambda status, headers: print(status))
print(b"".join(answer).decode(), "asyncio" in sys.modules)
"""
    assert run_python(program) == '200 OK\n"a" False\n'


@pytest.mark.parametrize("raised", ["SystemExit", "KeyboardInterrupt"])
def test_what_a_signal_raises_in_a_handler_on_the_main_thread_stops_the_server(
    raised: str, run_python: RunPython
) -> None:
    # As servers of WSGI do it that run handlers there.
    program = f"""
import io

def leave(*_):
    raise SystemExit

if "{raised}" == "SystemExit":
    signal.signal(signal.SIGINT, leave)

def interrupted(request, ctx):
    os.kill(os.getpid(), signal.SIGINT)
    return request

application = SyncEcho(unary(interrupted))
environ = {{
    "REQUEST_METHOD": "POST", "PATH_INFO": f"/{{SERVICE}}/Echo", "CONTENT_TYPE": "application/json",
    "CONTENT_LENGTH": "3", "wsgi.input": io.BytesIO(b'"a"'), "SERVER_PROTOCOL": "HTTP/1.1",
}}
try:
    b"".join(application(environ, lambda status, headers: None))
except {raised}:
    print("stopped")
"""
    assert run_python(PREAMBLE + program) == "stopped\n"
