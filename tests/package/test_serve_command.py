"""`landbridge serve`, as operators run it."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

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
        ("broken:app", "broken does not import: ZeroDivisionError"),
        ("empty:app", "the module empty has no app"),
        ("empty:number", "is a int, which is no application"),
    ],
)
def test_an_application_that_cannot_be_served_is_named(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "empty.py").write_text("number = 1\n")
    assert said in failing(name, "--port", "0", folder=tmp_path)


def test_a_taken_port_and_a_bad_certificate_are_named(tmp_path: Path, own_stubs: str) -> None:
    assert own_stubs
    application = "examples.talk_sync:application"
    with running_python_server(application) as port:
        assert f"127.0.0.1:{port}" in failing(application, "--port", str(port), folder=tmp_path)
    (tmp_path / "bad.pem").write_text("no certificate\n")
    bad = str(tmp_path / "bad.pem")
    said = failing(application, "--port", "0", "--tls-cert", bad, "--tls-key", bad, folder=tmp_path)
    assert "bad.pem" in said


@pytest.mark.parametrize("application", ["examples.talk_async:application", "examples.talk_sync:application"])
def test_an_example_is_served(application: str, own_stubs: str) -> None:
    assert own_stubs
    with running_python_server(application) as port:
        answer = httpx.post(f"http://127.0.0.1:{port}{SAY}", json={"sentence": "hello"})
        assert answer.json() == {"sentence": "You said: hello", "letters": "5"}


class Workers:
    """A server with two workers, in a process group of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}{SAY}"
        self._said = process.stderr

    def says(self, pattern: str) -> re.Match[str]:
        """Wait until it says something."""
        assert self._said is not None
        for line in self._said:
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"it ended without saying {pattern}")


@pytest.fixture
def workers(own_stubs: str) -> Iterator[Workers]:
    """Two workers of the asynchronous example."""
    assert own_stubs
    process = subprocess.Popen(
        [LANDBRIDGE, "serve", "examples.talk_async:application", "--port", "0", "--workers", "2"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, OWN_STUBS)))},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        port = next(
            int(found[1])
            for line in process.stderr
            if (found := re.search(r"2 workers on .* port (\d+)", line))
        )
        yield Workers(process, port)
    finally:
        end_group(process)  # type: ignore[arg-type]
        process.stderr.close()


def test_a_worker_that_dies_is_replaced(workers: Workers) -> None:
    victim = int(workers.says(r"INFO (\d+) landbridge: serving on")[1])
    workers.says("serving on")
    os.kill(victim, signal.SIGKILL)
    workers.says("ended with status -9; starting another")
    replacement = int(workers.says(r"INFO (\d+) landbridge: serving on")[1])
    assert replacement != victim
    assert httpx.post(workers.url, json={"sentence": "a"}).status_code == 200


def test_a_rolling_restart_loses_no_call(workers: Workers) -> None:
    before = {workers.says(r"INFO (\d+) landbridge: serving on")[1] for _ in range(2)}
    over = threading.Event()
    answered, failed = 0, []

    def call() -> None:
        nonlocal answered
        while not over.is_set():
            try:
                # A new connection each time: none of them may meet a closed door.
                answer = httpx.post(workers.url, json={"sentence": "a"})
                assert json.loads(answer.text)["sentence"] == "You said: a"
                answered += 1
            except Exception as error:
                failed.append(error)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    workers.process.send_signal(signal.SIGHUP)
    after = {workers.says(r"INFO (\d+) landbridge: serving on")[1] for _ in range(2)}
    over.set()
    for caller in callers:
        caller.join()
    assert before.isdisjoint(after)
    assert failed == []
    assert answered > 0
