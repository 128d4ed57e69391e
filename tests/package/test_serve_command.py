"""`landbridge serve`, as operators run it."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from tests.running.paths import OWN_STUBS, ROOT
from tests.running.processes import end_group
from tests.running.python_server import running_python_server

LANDBRIDGE = Path(sys.executable).parent / "landbridge"
SAY = "/talk.v1.TalkService/Say"


def failing(*arguments: str, folder: Path) -> str:
    """What a command line says that does not start."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, OWN_STUBS)))}
    done = subprocess.run(
        [LANDBRIDGE, "serve", *arguments, "--app-dir", folder],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    return done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "write module:attribute"),
        ("no_such_module:app", "there is no module no_such_module"),
        (
            "broken:app",
            r"broken does not import: ZeroDivisionError: division by zero \(.*broken.py, line 1\)",
        ),
        ("misspelt:app", r"misspelt does not import: invalid syntax \(misspelt.py, line 1\)"),
        ("leaving:app", r"leaving does not import: SystemExit: 3"),
        (
            "needing:app",
            r"needing does not import: No module named 'no_such_package' \(.*needing.py, line 1\)",
        ),
        ("empty:app", "the module empty has no app"),
        ("empty:number", "is a int, which is no application"),
        ("failing:app", r"cannot serve: RuntimeError: no database \(.*failing.py, line 5\)"),
    ],
)
def test_an_application_that_cannot_be_served_gets_one_clear_line(
    name: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "misspelt.py").write_text("if if\n")
    (tmp_path / "leaving.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "needing.py").write_text("import no_such_package\n")
    (tmp_path / "empty.py").write_text("number = 1\n")
    (tmp_path / "failing.py").write_text(
        "from examples.talk_async import Talk\n"
        "from talk.v1.talk_connect import TalkServiceASGIApplication\n"
        "\n"
        "async def service():\n"
        "    raise RuntimeError('no database')\n"
        "    yield Talk()\n"
        "\n"
        "app = TalkServiceASGIApplication(service())\n"
    )
    [line] = failing(name, "--port", "0", folder=tmp_path).splitlines()
    # SyntaxError says its name in different words from version to version.
    assert re.search(said, line.replace("SyntaxError: ", ""))


def test_the_traceback_is_there_for_those_who_ask(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    said = failing("broken:app", "--port", "0", "--log-level", "debug", folder=tmp_path)
    assert "Traceback" in said


def test_a_taken_port_a_bad_host_and_a_bad_certificate_get_one_clear_line(
    tmp_path: Path, own_stubs: str
) -> None:
    assert own_stubs
    application = "examples.talk_sync:application"

    def line(*flags: str) -> str:
        [said] = failing(application, *flags, folder=tmp_path).splitlines()
        return said

    with running_python_server(application) as port:
        for workers in ("1", "2"):
            said = line("--port", str(port), "--workers", workers)
            assert str(port) in said
            assert "in use" in said
    assert "no.such.host.invalid" in line("--host", "no.such.host.invalid", "--port", "0")
    (tmp_path / "bad.pem").write_text("no certificate\n")
    for name in ("bad.pem", "missing.pem"):
        file = str(tmp_path / name)
        assert name in line("--port", "0", "--tls-cert", file, "--tls-key", file)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--port", "99999"), "'99999' is no port: 0 to 65535"),
        (("--workers", "0"), "'0' is no number of 1 or more"),
        (("--threads", "many"), "'many' is no number of 1 or more"),
        (("--grace", "-1"), "'-1' is no time in seconds"),
        (("--limit", "speed=1"), "'speed' is no limit; these are: max_concurrent_calls, "),
        (("--limit", "idle_timeout=soon"), "'soon' is no time in seconds"),
        (("--tls-cert", "a.pem"), "belong together"),
        (("--uds", "a", "--workers", "2"), "--uds goes with one worker"),
    ],
)
def test_a_flag_that_makes_no_sense_is_explained(flags: tuple[str, ...], said: str, tmp_path: Path) -> None:
    assert said in failing("a:b", *flags, folder=tmp_path)


def test_limits_are_set_on_the_command_line(own_stubs: str) -> None:
    assert own_stubs
    flags = ("--limit", "max_header_bytes=9000", "--limit", "idle_timeout=none")
    with running_python_server("examples.talk_async:application", 0, *flags) as port:
        url = f"http://127.0.0.1:{port}{SAY}"
        assert httpx.post(url, json={"sentence": "a"}, headers={"x-long": "x" * 8000}).status_code == 200
        assert httpx.post(url, json={"sentence": "a"}, headers={"x-long": "x" * 9000}).status_code == 431


def test_a_unix_socket_is_served(tmp_path: Path, own_stubs: str) -> None:
    assert own_stubs
    path = tmp_path / "socket"
    with started("examples.talk_async:application", "--uds", str(path)) as server:
        server.says(f"serving on unix:{path}")
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
            answer = client.post(f"http://localhost{SAY}", json={"sentence": "a"})
            assert answer.json()["sentence"] == "You said: a"


@pytest.mark.parametrize("application", ["examples.talk_async:application", "examples.talk_sync:application"])
def test_an_example_is_served(application: str, own_stubs: str) -> None:
    assert own_stubs
    with running_python_server(application) as port:
        answer = httpx.post(f"http://127.0.0.1:{port}{SAY}", json={"sentence": "hello"})
        assert answer.json() == {"sentence": "You said: hello", "letters": "5"}


class Started:
    """A running `landbridge serve`, in a process group of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._said = process.stderr

    def says(self, pattern: str) -> re.Match[str]:
        """Wait until it says something."""
        assert self._said is not None
        for line in self._said:
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"it ended without saying {pattern}")

    def serves(self) -> tuple[str, str]:
        """Wait until a process serves; gives its id and the URL of a method."""
        found = self.says(r"INFO (\d+) landbridge: serving on (http\S+)")
        return found[1], found[2] + SAY


@contextmanager
def started(*arguments: str) -> Iterator[Started]:
    """Run `landbridge serve`, and end it afterwards."""
    process = subprocess.Popen(
        [LANDBRIDGE, "serve", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, OWN_STUBS)))},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Started(process)
    finally:
        end_group(process)  # type: ignore[arg-type]
        assert process.stderr is not None
        process.stderr.close()


def test_a_signal_ends_a_server_that_is_still_starting(own_stubs: str, tmp_path: Path) -> None:
    assert own_stubs
    (tmp_path / "slow.py").write_text(
        "import asyncio, sys\n"
        "from talk.v1.talk_connect import TalkServiceASGIApplication\n"
        "async def service():\n"
        "    print('starting', file=sys.stderr, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "    yield None\n"
        "app = TalkServiceASGIApplication(service())\n"
    )
    with started("slow:app", "--app-dir", str(tmp_path), "--port", "0") as server:
        server.says("starting")
        server.process.send_signal(signal.SIGTERM)
        server.says("stopped before it was ready")
        assert server.process.wait(30) == 0


@pytest.fixture
def workers(own_stubs: str) -> Iterator[Started]:
    """Two workers of the asynchronous example."""
    assert own_stubs
    with started("examples.talk_async:application", "--port", "0", "--workers", "2") as server:
        yield server


def test_a_worker_that_dies_is_replaced(workers: Started) -> None:
    victim, url = workers.serves()
    workers.serves()
    os.kill(int(victim), signal.SIGKILL)
    workers.says("ended with status -9; starting another")
    replacement, _ = workers.serves()
    assert replacement != victim
    assert httpx.post(url, json={"sentence": "a"}).status_code == 200


def test_workers_leave_when_their_supervisor_is_killed(workers: Started) -> None:
    pids = {int(workers.serves()[0]) for _ in range(2)}
    workers.process.kill()
    for _ in pids:
        workers.says("the supervisor is gone; leaving, too")
    # Its output is open for as long as any of them runs.
    with pytest.raises(AssertionError, match="it ended without"):
        workers.says("something else")


@pytest.mark.parametrize("how", ["connection", "reused connection", "grpc"])
def test_a_rolling_restart_loses_no_call(how: str, workers: Started) -> None:
    starts = [workers.serves() for _ in range(2)]
    before, url = {pid for pid, _ in starts}, starts[0][1]
    over = threading.Event()
    answered, failed = 0, []

    def call() -> None:
        nonlocal answered
        with caller(how, url) as ask:
            while not over.is_set():
                try:
                    assert ask() == "You said: a"
                    answered += 1
                except Exception as error:
                    failed.append(error)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for thread in callers:
        thread.start()
    workers.process.send_signal(signal.SIGHUP)
    after = {workers.serves()[0] for _ in range(2)}
    over.set()
    for thread in callers:
        thread.join()
    assert before.isdisjoint(after)
    assert failed == []
    assert answered > 0


@contextmanager
def caller(how: str, url: str) -> Iterator[Callable[[], str]]:
    """What makes a call and gives its answer."""
    if how == "connection":
        # A new one each time: none of them may meet a closed door.
        yield lambda: httpx.post(url, json={"sentence": "a"}).json()["sentence"]
    elif how == "reused connection":
        # Idle between two calls, where the server cannot say that it leaves.
        with httpx.Client() as client:
            yield lambda: client.post(url, json={"sentence": "a"}).json()["sentence"]
    else:
        with grpc.insecure_channel(url.removeprefix("http://").removesuffix(SAY)) as channel:
            # The field `sentence` of both messages.
            say: Any = channel.unary_unary(SAY, response_deserializer=lambda data: data[2:13].decode())
            yield partial(say, b"\x0a\x01a")


def test_an_interrupt_at_the_terminal_lets_calls_finish(tmp_path: Path) -> None:
    with slow_server(tmp_path, "--workers", "2") as server:
        _, url = server.serves()
        server.serves()
        answers = answering(url)
        server.says("slow has begun")
        # As a terminal does: the supervisor and every worker.
        os.killpg(server.process.pid, signal.SIGINT)
        server.says("stopping 2 workers")
        (tmp_path / "go").touch()
        assert answers() == "done"
        assert server.process.wait(30) == 0


def test_sigterm_lets_calls_finish_and_ends_the_lifespan(tmp_path: Path) -> None:
    with slow_server(tmp_path) as server:
        _, url = server.serves()
        answers = answering(url)
        server.says("slow has begun")
        server.process.terminate()
        server.says("draining")
        # Nobody new is served.
        port = int(url.removesuffix(SAY).rpartition(":")[2])
        with pytest.raises(ConnectionRefusedError):
            connect_until_refused(port)
        (tmp_path / "go").touch()
        assert answers() == "done"
        server.says("the lifespan has ended")
        assert server.process.wait(30) == 0


def connect_until_refused(port: int) -> None:
    """Connect again and again; the system says when nobody listens."""
    while True:
        socket.create_connection(("127.0.0.1", port)).close()


def test_calls_are_cut_when_the_grace_is_over(tmp_path: Path) -> None:
    with slow_server(tmp_path, "--grace", "0.2") as server:
        _, url = server.serves()
        answers = answering(url)
        server.says("slow has begun")
        server.process.terminate()
        server.says("slow was cancelled")
        server.says("the lifespan has ended")
        assert server.process.wait(30) == 0
        with pytest.raises(httpx.TransportError):
            answers()


def test_a_second_signal_cuts_what_the_first_let_finish(tmp_path: Path) -> None:
    with slow_server(tmp_path) as server:
        _, url = server.serves()
        answers = answering(url)
        server.says("slow has begun")
        server.process.terminate()
        server.says("draining")
        server.process.terminate()
        server.says("slow was cancelled")
        assert server.process.wait(30) == 0
        with pytest.raises(httpx.TransportError):
            answers()


def test_a_handler_that_never_returns_does_not_keep_the_process(tmp_path: Path) -> None:
    with slow_server(tmp_path, "--grace", "0") as server:
        _, url = server.serves()
        answers = answering(url, "stubborn")
        server.says("stubborn has begun")
        server.process.terminate()
        server.says("1 handlers do not end though their callers are gone; leaving them")
        assert server.process.wait(30) == 0
        with pytest.raises(httpx.TransportError):
            answers()


def test_a_handler_that_blocks_the_event_loop_is_ended_by_the_third_signal(tmp_path: Path) -> None:
    with slow_server(tmp_path) as server:
        _, url = server.serves()
        answers = answering(url, "blocking")
        server.says("blocking has begun")
        while server.process.poll() is None:
            # Those that come before the last was seen count as one.
            server.process.send_signal(signal.SIGINT)
        assert server.process.returncode == 1
        with pytest.raises(httpx.TransportError):
            answers()


SLOW = """
import asyncio, logging, pathlib, signal, time
from examples.talk_async import Talk
from talk.v1 import talk_pb2
from talk.v1.talk_connect import TalkServiceASGIApplication

log = logging.getLogger("slow")
go = pathlib.Path(__file__).with_name("go")

class Slow(Talk):
    async def say(self, request, ctx):
        kind = request.sentence
        log.info("%s has begun", kind)
        while kind == "blocking":
            # Python sees signals between its steps.
            try:
                time.sleep(30)
            finally:
                pass
        while not go.exists():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                if kind == "stubborn":
                    continue
                log.info("%s was cancelled", kind)
                raise
        return talk_pb2.SayResponse(sentence="done")

async def service():
    yield Slow()
    log.info("the lifespan has ended")

app = TalkServiceASGIApplication(service())
"""


@contextmanager
def slow_server(folder: Path, *flags: str) -> Iterator[Started]:
    """A server whose handler waits for the file `go`."""
    (folder / "slow.py").write_text(SLOW)
    with started("slow:app", "--port", "0", "--app-dir", str(folder), *flags) as server:
        yield server


def answering(url: str, sentence: str = "slow") -> Callable[[], str]:
    """Make a call on a thread; gives what waits for its answer."""
    pool = ThreadPoolExecutor(1)
    answer = pool.submit(httpx.post, url, json={"sentence": sentence}, timeout=60)
    pool.shutdown(wait=False)
    return lambda: str(answer.result().json()["sentence"])


def test_a_changed_file_starts_the_server_anew(tmp_path: Path, own_stubs: str) -> None:
    assert own_stubs
    written = (ROOT / "examples" / "talk_async.py").read_text()
    (tmp_path / "app.py").write_text(written)
    flags = ("--port", "0", "--reload", "--app-dir", str(tmp_path))
    with started("app:application", *flags) as server:
        before, url = server.serves()
        assert httpx.post(url, json={"sentence": "a"}).json()["sentence"] == "You said: a"
        (tmp_path / "app.py").write_text(written.replace("You said", "They said"))
        server.says("files have changed; starting anew")
        after, url = server.serves()
        assert before != after
        # The old one leaves while the new one serves.
        while httpx.post(url, json={"sentence": "a"}).json()["sentence"] != "They said: a":
            pass
        # A mistake leaves what runs as it is.
        (tmp_path / "app.py").write_text("1 / 0\n")
        server.says("ZeroDivisionError")
        server.says("stays as it is")
        assert httpx.post(url, json={"sentence": "a"}).json()["sentence"] == "They said: a"
