"""Forks, the end of the interpreter, and Ctrl-C."""

import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.client.echo import Echo
from tests.client.raw_http1 import read_request
from tests.running.paths import ROOT
from tests.running.processes import running

Run = Callable[..., subprocess.CompletedProcess[str]]

PREAMBLE = """
import asyncio, gc, os, signal, sys, threading, time
from landbridge.client import ConnectClient, ConnectClientSync, Transport
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.protocol import ProtocolType
from tests.client.echo import COUNT, ECHO, SUM, TALK, text

url = sys.argv[1]

def say(client, value="a"):
    assert client.execute_unary(request=text(value), method=ECHO, timeout_ms=20_000).value == value

def wait_for(pid):
    _, status = os.waitpid(pid, 0)
    assert status == 0, os.waitstatus_to_exitcode(status)
"""

ENVIRONMENT = {"PYTHONPATH": f"{ROOT / 'python'}:{ROOT}", "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"}


def _command(program: str, url: str) -> list[str]:
    return [sys.executable, "-X", "dev", "-W", "error", "-c", PREAMBLE + textwrap.dedent(program), url]


@pytest.fixture
def run(url: str) -> Run:
    """Run a program that calls `echo`, with warnings as errors."""

    def run(program: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            _command(program, url), env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done

    return run


PROTOCOLS = pytest.mark.parametrize("protocol", ["CONNECT", "GRPC"])


@PROTOCOLS
def test_parent_and_child_both_call_after_a_fork(run: Run, protocol: str) -> None:
    done = run(
        f"""
        client = ConnectClientSync(url, protocol=ProtocolType.{protocol})
        say(client)
        for turn in range(3):
            pid = os.fork()
            if pid == 0:
                for _ in range(20):
                    say(client, "child")
                # And so does a child's child.
                grandchild = os.fork()
                say(client, "both")
                if grandchild:
                    wait_for(grandchild)
                client.close()
                os._exit(0)
            for _ in range(20):
                say(client, "parent")
            wait_for(pid)
        say(client)
        client.close()
        print("done")
        """
    )
    assert done.stdout == "done\n"


def test_a_child_that_ends_as_usual_takes_nothing_from_its_parent(run: Run) -> None:
    run(
        """
        client = ConnectClientSync(url, protocol=ProtocolType.GRPC)
        say(client)
        stream = client.execute_bidi_stream(method=TALK)
        stream.send(text("a"))
        assert stream.receive().value == "A"
        pid = os.fork()
        if pid == 0:
            # Everything of the parent's is torn down here.
            del stream, client
            gc.collect()
            sys.exit(0)
        wait_for(pid)
        stream.send(text("b"))
        assert stream.receive().value == "B"
        stream.close()
        say(client)
        """
    )


def test_calls_in_flight_belong_to_the_process_that_made_them(run: Run) -> None:
    run(
        """
        client = ConnectClientSync(url, protocol=ProtocolType.GRPC)
        stream = client.execute_bidi_stream(method=TALK)
        stream.send(text("a"))
        assert stream.receive().value == "A"
        pid = os.fork()
        if pid == 0:
            for use in (stream.receive, lambda: stream.send(text("x")), stream.close_send):
                try:
                    use()
                except ConnectError as error:
                    assert error.code is Code.UNAVAILABLE and "fork" in error.message, error
                else:
                    os._exit(3)
            stream.cancel()
            stream.close()
            say(client, "child")
            os._exit(0)
        stream.send(text("b"))
        assert stream.receive().value == "B"
        wait_for(pid)
        stream.close_send()
        assert list(stream) == []
        """
    )


@pytest.mark.parametrize("end", ["call.close()", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_server_sees_the_end_of_its_connection_while_a_child_lives(end: str) -> None:
    program = f"""
    client = ConnectClientSync(url)
    call = client.execute_server_stream(request=text("a"), method=COUNT)
    call.response_headers()
    if (pid := os.fork()) == 0:
        # It outlives its parent's connection, and then tears down what it has of it.
        sys.stdin.read()
        del call, client
        gc.collect()
        sys.exit(0)
    {end}
    wait_for(pid)
    """
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/connect+proto\r\ntransfer-encoding: chunked\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        process = subprocess.Popen(
            _command(program, f"http://127.0.0.1:{listener.getsockname()[1]}"),
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process, _killed_after(process, 30), listener.accept()[0] as connection:
            connection.settimeout(30)
            read_request(connection)
            connection.sendall(head)
            # The child lives: its standard input is open.
            assert connection.recv(1) == b""
            assert process.communicate("")[1] == ""


def test_threads_that_call_while_the_process_forks_go_on(run: Run) -> None:
    run(
        """
        client = ConnectClientSync(url)
        over = threading.Event()
        failures = []

        def call():
            try:
                while not over.is_set():
                    say(client, "thread")
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                say(client, "child")
                os._exit(0)
            wait_for(pid)
        over.set()
        for thread in threads:
            thread.join()
        assert failures == [], failures
        """
    )


def test_asynchronous_calls_go_on_while_the_process_forks(run: Run) -> None:
    run(
        """
        client = ConnectClient(url)

        async def main():
            async def call():
                for _ in range(30):
                    answer = await client.execute_unary(request=text("p"), method=ECHO, timeout_ms=20_000)
                    assert answer.value == "p"
            calls = [asyncio.create_task(call()) for _ in range(4)]
            for _ in range(5):
                await asyncio.sleep(0.005)
                pid = os.fork()
                if pid == 0:
                    # The child has no running loop; it makes its own, in a thread without the parent's.
                    def own():
                        try:
                            async def once():
                                answer = await client.execute_unary(request=text("c"), method=ECHO)
                                assert answer.value == "c"
                            asyncio.run(once(), debug=False)
                        except BaseException:
                            os._exit(3)
                        os._exit(0)
                    thread = threading.Thread(target=own)
                    thread.start()
                    thread.join()
                    os._exit(4)
                await asyncio.to_thread(wait_for, pid)
            await asyncio.gather(*calls)
            await client.close()

        # Debug mode tells of steps that take long, and a fork does.
        asyncio.run(main(), debug=False)
        """
    )


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing_calls_from_all_its_processes(url: str, tmp_path: Path, method: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        PREAMBLE
        + textwrap.dedent(
            f"""
            import multiprocessing
            client = ConnectClientSync(url)

            def work(number):
                say(client, str(number))
                return number

            if __name__ == "__main__":
                say(client)
                context = multiprocessing.get_context({method!r})
                with context.Pool(3) as pool:
                    assert sorted(pool.map(work, range(12))) == list(range(12))
                    pool.close()
                    pool.join()
                say(client)
                client.close()
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(program), url],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_pre_fork_server_calls_with_a_client_made_before_the_fork(url: str, tmp_path: Path) -> None:
    (tmp_path / "front.py").write_text(
        textwrap.dedent(
            f"""
            import os
            from landbridge.client import ConnectClientSync
            from tests.client.echo import ECHO, text

            client = ConnectClientSync({url!r}, timeout_ms=20_000)
            # The master has used it.
            client.execute_unary(request=text("master"), method=ECHO)

            def application(environ, start_response):
                answer = client.execute_unary(request=text("worker"), method=ECHO)
                start_response("200 OK", [("x-pid", str(os.getpid()))])
                return [answer.value.encode()]
            """
        )
    )
    with _gunicorn(tmp_path) as port:
        workers: set[str] = set()
        deadline = time.monotonic() + 30
        while len(workers) < 2:
            assert time.monotonic() < deadline
            answer = httpx.get(f"http://127.0.0.1:{port}/", timeout=20, trust_env=False)
            assert (answer.status_code, answer.text) == (200, "worker")
            workers.add(answer.headers["x-pid"])


@contextmanager
def _gunicorn(folder: Path) -> Iterator[int]:
    said = folder / "ready"
    config = folder / "gunicorn.conf.py"
    config.write_text(
        "preload_app = True\nworkers = 2\nbind = '127.0.0.1:0'\n"
        "def when_ready(server):\n"
        f"    open({str(said)!r} + '.part', 'w').write(str(server.LISTENERS[0].sock.getsockname()[1]))\n"
        f"    import os; os.rename({str(said)!r} + '.part', {str(said)!r})\n"
    )
    log = folder / "log"
    command = [sys.executable, "-m", "gunicorn", "-c", str(config), "front:application"]
    path = f"{ROOT / 'python'}:{ROOT}:{folder}"
    with running(command, log=log, env={"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}) as process:
        while not said.exists():
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
                raise AssertionError(log.read_text())
        yield int(said.read_text())


# The end of the interpreter.


def test_the_interpreter_ends_with_asynchronous_calls_in_flight(run: Run, echo: Echo) -> None:
    run(
        """
        client = ConnectClient(url)
        loop = asyncio.new_event_loop()
        stream = client.execute_server_stream(request=text("wait"), method=COUNT)
        loop.run_until_complete(stream.response_headers())
        waiting = loop.create_task(client.execute_unary(request=text("a"), method=ECHO))
        loop.run_until_complete(waiting)
        loop.close()
        """
    )
    echo.await_cancelled()


def test_the_interpreter_ends_with_calls_of_daemon_threads_in_flight(run: Run, echo: Echo) -> None:
    run(
        """
        client = ConnectClientSync(url)
        begun = threading.Semaphore(0)

        def unary():
            begun.release()
            client.execute_unary(request=text("wait"), method=ECHO)

        def stream():
            call = client.execute_bidi_stream(method=TALK)
            call.send(text("wait"))
            begun.release()
            call.receive()

        def busy():
            while True:
                say(client)
                begun.release()

        for target in (unary, stream, busy, busy):
            threading.Thread(target=target, daemon=True).start()
        for _ in range(20):
            begun.acquire()
        """
    )
    for _ in range(2):
        echo.await_waiting()
        echo.await_cancelled()


def test_the_interpreter_ends_with_an_iterator_that_waits(run: Run) -> None:
    run(
        """
        client = ConnectClientSync(url)

        def requests():
            yield text("a")
            threading.Event().wait()

        call = client.execute_bidi_stream(request=requests(), method=TALK, timeout_ms=20_000)
        assert call.response_headers()["x-head"] == "talk"
        """
    )


def test_the_interpreter_ends_many_times_while_calls_are_made(run: Run) -> None:
    # The moment between two calls is the one that a thread must not be caught in.
    for _ in range(5):
        run(
            """
            client = ConnectClientSync(url)
            say(client)

            def busy():
                while True:
                    client.execute_unary(request=text("a"), method=ECHO)

            for _ in range(8):
                threading.Thread(target=busy, daemon=True).start()
            """
        )


# Ctrl-C.


@pytest.mark.parametrize(
    "call",
    [
        'client.execute_unary(request=text("wait"), method=ECHO)',
        'client.execute_client_stream(request=[text("wait")], method=SUM)',
        'list(client.execute_server_stream(request=text("wait"), method=COUNT))',
        'list(client.execute_bidi_stream(request=[text("wait")], method=TALK))',
    ],
    ids=["unary", "client stream", "server stream", "bidi stream"],
)
def test_ctrl_c_interrupts_a_blocking_call_and_cancels_it(url: str, echo: Echo, call: str) -> None:
    program = f"""
    client = ConnectClientSync(url)
    try:
        {call}
    except KeyboardInterrupt:
        # The client is as good as before.
        say(client)
        print("interrupted", flush=True)
        # What is left behind goes on: only the call itself is over.
        sys.stdin.read()
    """
    process = subprocess.Popen(
        _command(program, url),
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process, _killed_after(process, 30):
        echo.await_waiting()
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline() == "interrupted\n"
        echo.await_cancelled()
        assert process.communicate("") == ("", "")
    assert process.returncode == 0


def test_ctrl_c_ends_a_program_that_does_not_catch_it(url: str, echo: Echo) -> None:
    program = 'ConnectClientSync(url).execute_unary(request=text("wait"), method=ECHO)'
    process = subprocess.Popen(_command(program, url), env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    with process, _killed_after(process, 30):
        echo.await_waiting()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert "KeyboardInterrupt" in said
    assert process.returncode in {-signal.SIGINT, 130}
    echo.await_cancelled()


def test_ctrl_c_interrupts_asyncio(url: str, echo: Echo) -> None:
    program = 'asyncio.run(ConnectClient(url).execute_unary(request=text("wait"), method=ECHO))'
    process = subprocess.Popen(_command(program, url), env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    with process, _killed_after(process, 30):
        echo.await_waiting()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert "KeyboardInterrupt" in said
    echo.await_cancelled()


@contextmanager
def _killed_after(process: subprocess.Popen[str], seconds: float) -> Iterator[None]:
    """A process that hangs fails the test, and does not hang it."""
    watch = threading.Timer(seconds, process.kill)
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        watch.join()


def test_a_signal_handler_runs_while_a_call_waits(run: Run) -> None:
    done = run(
        """
        seen = []
        signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        client = ConnectClientSync(url)
        try:
            client.execute_unary(request=text("wait"), method=ECHO, timeout_ms=300)
        except ConnectError as error:
            assert error.code is Code.DEADLINE_EXCEEDED, error
        print(len(seen))
        """
    )
    assert done.stdout == "1\n"


@pytest.mark.parametrize("call", ["unary", "stream"])
def test_a_fork_in_a_signals_handler_fails_the_call_in_the_child(run: Run, call: str) -> None:
    run(
        f"""
        client = ConnectClientSync(url)
        say(client)
        child = None

        def fork(*_):
            global child
            child = os.fork()

        signal.signal(signal.SIGALRM, fork)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            if {call == "unary"}:
                client.execute_unary(request=text("wait"), method=ECHO, timeout_ms=3_000)
            else:
                list(client.execute_server_stream(request=text("wait"), method=COUNT, timeout_ms=3_000))
        except ConnectError as error:
            if child == 0:
                os._exit(0 if error.code is Code.UNAVAILABLE and "fork" in error.message else 3)
            assert error.code is Code.DEADLINE_EXCEEDED, error
        wait_for(child)
        """
    )


def test_what_a_signals_handler_raises_comes_through(run: Run) -> None:
    run(
        """
        from landbridge.compat import google_protobuf_binary_codec

        class TooLongError(Exception):
            pass

        def interrupt(*_):
            raise TooLongError

        class Interrupted:
            def __init__(self):
                self.name, self.encode = codec.name, codec.encode

            def decode(self, data, message):
                # The signal comes in the middle of it.
                signal.raise_signal(signal.SIGALRM)
                return codec.decode(data, message)

        codec = google_protobuf_binary_codec()
        signal.signal(signal.SIGALRM, interrupt)
        client = ConnectClientSync(url, codec=Interrupted())
        for call in (
            lambda: client.execute_unary(request=text("a"), method=ECHO),
            lambda: list(client.execute_server_stream(request=text("3"), method=COUNT)),
        ):
            try:
                call()
            except TooLongError:
                pass
            else:
                raise AssertionError("nothing came through")
        """
    )


def test_a_stream_that_is_over_holds_nothing_of_its_client(run: Run) -> None:
    run(
        """
        with ConnectClientSync(url) as client:
            with client.execute_server_stream(request=text("3"), method=COUNT) as stream:
                assert len(list(stream)) == 3
        deadline = time.monotonic() + 10
        while len(os.listdir("/proc/self/task")) > 1:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        """
    )
