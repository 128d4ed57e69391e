"""Workers and who keeps them running: deaths, rolling restarts, ends, in every order."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from tests.package.serve_command import (
    DONE,
    SAY,
    SLOW,
    Started,
    answering,
    connect_until_refused,
    slow_server,
    started,
)
from tests.running.paths import ROOT


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


class Restarting:
    """A server whose two workers are held by a call each while new ones take their places."""

    def __init__(self, server: Started, folder: Path) -> None:
        self._folder = folder
        starts = dict(server.serves() for _ in range(2))
        self.url = next(iter(starts.values()))
        held: set[str] = set()
        self._answers: list[Callable[[], Any]] = []
        while len(held) < 2:
            # The system chooses who gets it.
            self._answers.append(answering(self.url))
            held.add(server.says(r"INFO (\d+) slow: slow has begun")[1])
        assert held == set(starts)
        server.process.send_signal(signal.SIGHUP)

    def let_go(self) -> None:
        """Have the calls that were held answered."""
        (self._folder / "go").touch()
        assert all(answer() == DONE for answer in self._answers)


def test_a_new_worker_that_dies_while_an_old_one_is_held_is_replaced(tmp_path: Path, own_stubs: str) -> None:
    assert own_stubs
    with slow_server(tmp_path, "--workers", "2") as server:
        restarting = Restarting(server, tmp_path)
        # All are replaced, though none of the old ones has left.
        victim, other = (server.serves()[0] for _ in range(2))
        os.kill(int(victim), signal.SIGKILL)
        server.says("ended with status -9; starting another")
        assert server.serves()[0] not in {victim, other}
        for _ in range(20):
            assert ask(restarting.url) == "done"
        restarting.let_go()


def test_a_signal_ends_a_rolling_restart(tmp_path: Path, own_stubs: str) -> None:
    assert own_stubs
    with slow_server(tmp_path, "--workers", "2") as server:
        restarting = Restarting(server, tmp_path)
        server.serves()
        server.process.terminate()
        server.says(r"stopping \d workers")
        with pytest.raises(ConnectionRefusedError):
            connect_until_refused(httpx.URL(restarting.url).port or 0)
        restarting.let_go()
        assert server.process.wait(30) == 0


def test_a_second_signal_in_a_rolling_restart_cuts_what_is_held(tmp_path: Path, own_stubs: str) -> None:
    assert own_stubs
    with slow_server(tmp_path, "--workers", "2") as server:
        Restarting(server, tmp_path)
        server.serves()
        server.process.terminate()
        server.says(r"stopping \d workers")
        server.process.terminate()
        for _ in range(2):
            server.says("slow was cancelled")
        assert server.process.wait(30) == 0


def test_a_worker_that_leaves_by_itself_is_replaced_before_its_calls_are_over(
    tmp_path: Path, own_stubs: str
) -> None:
    assert own_stubs
    with slow_server(tmp_path, "--workers", "2") as server:
        _, url = server.serves()
        server.serves()
        answers = answering(url)
        held = server.says(r"INFO (\d+) slow: slow has begun")[1]
        os.kill(int(held), signal.SIGTERM)
        server.says("leaves; starting another")
        server.serves()
        for _ in range(20):
            assert ask(url) == "done"
        (tmp_path / "go").touch()
        assert answers() == DONE


def ask(url: str) -> str:
    """A quick call, on a connection of its own."""
    return str(httpx.post(url, json={"sentence": "quick"}, timeout=30).json()["sentence"])


def test_a_worker_that_is_killed_under_load_loses_no_more_than_its_own_calls(
    tmp_path: Path, own_stubs: str
) -> None:
    assert own_stubs
    with slow_server(tmp_path, "--workers", "2") as server:
        victim, url = server.serves()
        server.serves()
        over = threading.Event()
        answered: list[int] = []
        failed: list[int] = []
        problems: list[Exception] = []

        def call(caller: int) -> None:
            while not over.is_set():
                try:
                    assert ask(url) == "done"
                    answered.append(caller)
                except (httpx.ReadError, httpx.RemoteProtocolError):
                    # In flight, or in the queue of a connection that was accepted.
                    failed.append(caller)
                except Exception as problem:
                    problems.append(problem)

        callers = [threading.Thread(target=call, args=(number,)) for number in range(8)]
        for thread in callers:
            thread.start()
        os.kill(int(victim), signal.SIGKILL)
        server.says("ended with status -9; starting another")
        server.serves()
        over.set()
        for thread in callers:
            thread.join()
        # Refused and kept waiting was nobody; each caller had one call in flight.
        assert problems == []
        assert len(failed) == len(set(failed))
        assert answered


def test_who_waits_for_a_worker_that_does_not_start_again_is_turned_away(
    tmp_path: Path, own_stubs: str
) -> None:
    assert own_stubs
    with slow_server(tmp_path, "--workers", "2") as server:
        victim, url = server.serves()
        server.serves()
        (tmp_path / "slow.py").write_text("1 / 0\n")
        os.kill(int(victim), signal.SIGKILL)
        server.says("does not start")
        for _ in range(40):
            assert ask(url) == "done"
        # It is tried again until it works.
        server.says("does not start")
        (tmp_path / "slow.py").write_text(SLOW)
        server.serves()
        assert ask(url) == "done"


def test_nobody_waits_long_for_a_worker_that_takes_its_time_to_start(tmp_path: Path, own_stubs: str) -> None:
    assert own_stubs
    with slow_server(tmp_path, "--workers", "2") as server:
        victim, url = server.serves()
        server.serves()
        hold = tmp_path / "hold"
        hold.touch()
        waits = "while pathlib.Path(__file__).with_name('hold').exists(): time.sleep(0.01)\n"
        (tmp_path / "slow.py").write_text("import pathlib, time\n" + waits + SLOW)
        os.kill(int(victim), signal.SIGKILL)
        server.says("ended with status -9; starting another")
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):  # noqa: PT012
            while True:
                ask(url)
        for _ in range(40):
            assert ask(url) == "done"
        hold.unlink()
        server.serves()


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
        assert answers() == DONE
        assert server.process.wait(30) == 0


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


def test_an_application_that_does_not_import_yet_is_waited_for(tmp_path: Path, own_stubs: str) -> None:
    assert own_stubs
    application = tmp_path / "app.py"
    application.write_text("if if\n")
    with started("app:application", "--port", "0", "--reload", "--app-dir", str(tmp_path)) as server:
        server.says("app does not import: .*line 1")
        server.says("waiting for a file to change")
        # Still a mistake.
        application.write_text("1 / 0\n")
        server.says("app does not import: ZeroDivisionError")
        server.says("waiting for a file to change")
        application.write_text((ROOT / "examples" / "talk_async.py").read_text())
        _, url = server.serves()
        assert httpx.post(url, json={"sentence": "a"}).json()["sentence"] == "You said: a"


def test_a_server_that_waits_for_a_change_is_stopped_by_a_signal(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("1 / 0\n")
    with started("app:application", "--port", "0", "--reload", "--app-dir", str(tmp_path)) as server:
        server.says("waiting for a file to change")
        server.process.terminate()
        assert server.process.wait(30) == 0
