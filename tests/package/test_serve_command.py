"""`landbridge serve`, as operators run it."""

import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.package.serve_command import (
    DONE,
    LANDBRIDGE,
    SAY,
    answering,
    connect_until_refused,
    slow_server,
    started,
)
from tests.running.paths import OWN_STUBS, ROOT
from tests.running.python_server import running_python_server

BAD_CERTIFICATE = ("--tls-cert", "missing.pem", "--tls-key", "missing.pem")


def failing(*arguments: str, folder: Path, status: int = 1) -> str:
    """What a command line says that does not start."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "python", ROOT, OWN_STUBS)))}
    done = subprocess.run(
        [LANDBRIDGE, "serve", *arguments, "--app-dir", folder],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status
    return done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
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
        (
            "empty:number",
            "empty:number is 1, which is no application of landbridge: give an application that",
        ),
        ("examples.talk_async:Talk", "is the class Talk, which is no application of landbridge"),
        ("empty.py:app", "no module empty.py in .*: a module is named without .py; write empty:app$"),
        ("some/empty.py:app", "named without .py; write empty:app and --app-dir some$"),
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
    (tmp_path / "some").mkdir()
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
            assert "another process listens there; stop it or choose another address" in said
            assert said.count(str(port)) == 1
            assert "in use" in said
    for workers in ("1", "2"):
        said = line("--host", "no.such.host.invalid", "--port", "0", "--workers", workers)
        assert "no.such.host.invalid" in said
    (tmp_path / "file").touch()
    said = line("--uds", str(tmp_path / "file"))
    assert f"{tmp_path / 'file'}: something else is at this path; remove it or choose another path" in said
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
        (
            ("--limit", "idle_timeout=soon"),
            "idle_timeout is 'soon': it must be a time in seconds, more than 0",
        ),
        (("--limit", "header_timeout=none"), "header_timeout is None: it must be a time in seconds"),
        (("--limit", "max_connections=0"), "max_connections is 0: it must be a whole number, 1 to"),
        (("--limit", "max_connections"), "max_connections is '': it must be a whole number, 1 to"),
        (("--cors-origin", "app.example"), "'app.example', which is no origin: give scheme, host"),
        (("--cors-origin", "*", "--cors-header", "x tag"), "'x tag', which is no name of a header"),
        (("--cors-header", "x-tag"), "--cors-header needs --cors-origin"),
        (("--nonsense",), "unrecognized arguments: --nonsense"),
        (("--relo",), "unrecognized arguments: --relo"),
        (("--log-level", "loud"), "--log-level: invalid choice: 'loud'"),
        (("--tls-cert", "a.pem"), "belong together"),
        (("--uds", "a", "--workers", "2"), "--uds goes with one worker"),
    ],
)
def test_a_flag_that_makes_no_sense_is_explained(flags: tuple[str, ...], said: str, tmp_path: Path) -> None:
    [line] = failing("a:b", *flags, folder=tmp_path, status=2).splitlines()
    assert line.startswith("landbridge serve: ")
    assert said in line


@pytest.mark.parametrize("names", [("app",), ("a:b", ":app"), ("app:",), ("a:b", "--fallback", "app")])
def test_a_name_of_no_application_is_a_mistake_of_the_command_line(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    [line] = failing(*names, folder=tmp_path, status=2).splitlines()
    assert f"{names[-1]!r} names no application: write module:attribute" in line


@pytest.mark.parametrize("flags", [("broken:app",), ("examples.talk_sync:application", *BAD_CERTIFICATE)])
def test_workers_that_cannot_start_say_why_once(flags: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    said = failing(*flags, "--workers", "2", "--port", "0", folder=tmp_path)
    assert said.count(" ERROR ") == 1


def test_limits_are_set_on_the_command_line(own_stubs: str) -> None:
    assert own_stubs
    flags = ("--limit", "max_header_bytes=9000", "--limit", "idle_timeout=none")
    with running_python_server("examples.talk_async:application", 0, *flags) as port:
        url = f"http://127.0.0.1:{port}{SAY}"
        assert httpx.post(url, json={"sentence": "a"}, headers={"x-long": "x" * 8000}).status_code == 200
        assert httpx.post(url, json={"sentence": "a"}, headers={"x-long": "x" * 9000}).status_code == 431


@pytest.mark.parametrize("workers", ["1", "2"])
def test_pages_of_other_origins_are_allowed_on_the_command_line(workers: str, own_stubs: str) -> None:
    assert own_stubs
    origin = "https://app.example"
    flags = ("--cors-origin", origin, "--cors-header", "x-tag", "--workers", workers)
    asked = {"origin": origin, "access-control-request-method": "POST"}
    with running_python_server("examples.talk_async:application", 0, *flags) as port:
        answer = httpx.options(f"http://127.0.0.1:{port}{SAY}", headers=asked)
    assert answer.headers["access-control-allow-origin"] == origin
    assert "x-tag" in answer.headers["access-control-allow-headers"].split(",")


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
        assert answers() == DONE
        server.says("the lifespan has ended")
        assert server.process.wait(30) == 0


def test_calls_are_cut_when_the_grace_is_over(tmp_path: Path) -> None:
    with slow_server(tmp_path, "--grace", "0.2") as server:
        _, url = server.serves()
        answers = answering(url)
        server.says("slow has begun")
        server.process.terminate()
        server.says("slow was cancelled")
        server.says("the lifespan has ended")
        assert server.process.wait(30) == 0
        assert answers()["code"] == "unavailable"


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
        assert answers()["code"] == "unavailable"


def test_a_handler_that_never_returns_does_not_keep_the_process(tmp_path: Path) -> None:
    with slow_server(tmp_path, "--grace", "0") as server:
        _, url = server.serves()
        answers = answering(url, "stubborn")
        server.says("stubborn has begun")
        server.process.terminate()
        server.says("1 handlers do not end though their callers are gone; leaving them")
        assert server.process.wait(30) == 0
        assert answers()["code"] == "unavailable"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_handler_that_blocks_the_event_loop_is_ended_by_the_second_signal(
    loop: str, tmp_path: Path
) -> None:
    with slow_server(tmp_path, "--loop", loop) as server:
        _, url = server.serves()
        answers = answering(url, "blocking")
        server.says("blocking has begun")
        server.process.terminate()
        server.says("a signal came")
        server.process.terminate()
        # Where it stands.
        server.says('slow.py", line .* in say')
        assert server.process.wait(30) == 1
        with pytest.raises(httpx.TransportError):
            answers()


def test_a_third_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    with slow_server(tmp_path) as server:
        _, url = server.serves()
        answers = answering(url, "stubborn")
        server.says("stubborn has begun")
        while server.process.poll() is None:
            # Those that come before the last was seen count as one.
            server.process.send_signal(signal.SIGINT)
        assert server.process.returncode == 1
        # The second may have had its caller told already.
        with suppress(httpx.TransportError):
            assert answers()["code"] == "unavailable"
