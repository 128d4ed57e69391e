"""An application for Connect-Python runs on landbridge with generated stubs and other imports, and nothing
else.
"""

import gzip
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running.paths import OWN_STUBS, ROOT, STUBS
from tests.running.processes import ProcessEndedError, running
from tests.running.python_server import running_python_server

WRITTEN = Path(__file__).parent / "dropin" / "service.py"
CALLER = WRITTEN.with_name("caller.py")

APPLICATIONS = ("application", "application_sync", "written", "written_sync")

HOMES = {
    "uvicorn": ("uvicorn", "--lifespan=on", "--fd={fd}", "--log-level=error"),
    "gunicorn": ("gunicorn", "--bind=fd://{fd}", "--threads=2", "--log-level=error"),
}
"""Where Connect-Python's applications live."""


def _waits_for(listening: socket.socket, process: subprocess.Popen[bytes]) -> str:
    """The origin of a server on this socket, which serves unless its process ends."""
    # Who connects before it accepts waits in the queue of the socket.
    origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(httpx.get, origin, timeout=60)
        while not asking.done():
            if process.poll() is not None:
                listening.close()
                raise ProcessEndedError("it ended before it served: see its output above")
            wait((asking,), 0.1)
    return origin


@pytest.fixture(scope="module")
def there() -> Iterator[dict[str, str]]:
    """The applications on Connect-Python, as they were written; gives their origins."""
    with ExitStack() as stack:
        origins = {}
        for name in APPLICATIONS:
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            fd = listening.fileno()
            home = HOMES["gunicorn" if name.endswith("_sync") else "uvicorn"]
            command = [sys.executable, "-m", *(part.format(fd=fd) for part in home), f"service:{name}"]
            environment = {"PYTHONPATH": f"{WRITTEN.parent}:{STUBS}"}
            process = stack.enter_context(running(command, env=environment, pass_fds=(fd,)))
            origins[name] = _waits_for(listening, process)
        yield origins


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, own_stubs: str) -> Iterator[dict[str, str]]:
    """The same text with other imports, on landbridge."""
    assert own_stubs == str(OWN_STUBS)
    folder = tmp_path_factory.mktemp("here")
    moved = WRITTEN.read_text().replace("connectrpc", "landbridge")
    (folder / "service.py").write_text(moved)
    flags = ("--app-dir", str(folder))
    with ExitStack() as stack:
        serve = {name: running_python_server(f"service:{name}", 0, *flags) for name in APPLICATIONS}
        yield {name: f"http://127.0.0.1:{stack.enter_context(server)}" for name, server in serve.items()}


def ask(origin: str, method: str, path: str, **request: Any) -> httpx.Response:
    """One request."""
    return httpx.request(method, f"{origin}{path}", timeout=60, **request)


def told(response: httpx.Response) -> tuple[int, Any, dict[str, str]]:
    """What matters of an answer: not the words of messages, nor how JSON is spaced."""
    kept = ("content-type", "x-tag-header", "trailer-x-tag-trailer", "trailer-x-guarded", "x-sync")
    # WSGI servers join the lines of a header.
    lines = {name: response.headers.get_list(name, split_commas=True) for name in kept}
    headers = {name: ", ".join(values) for name, values in lines.items() if values}
    kind = headers.get("content-type")
    if kind == "application/json":
        return response.status_code, without_words(response.json()), headers
    if kind == "application/connect+json":
        return response.status_code, list(messages(response.content)), headers
    if kind == "application/connect+mirrored":
        return response.status_code, response.content.replace(b" ", b""), headers
    return response.status_code, response.content, headers


def messages(content: bytes) -> Iterator[Any]:
    """The messages of a stream, and its end."""
    while content:
        size = int.from_bytes(content[1:5], "big")
        yield content[0], without_words(json.loads(content[5 : 5 + size] or b"{}"))
        content = content[5 + size :]


def without_words(said: Any) -> Any:
    """The same without what each side says in its own words: messages, and debug texts of details."""
    if isinstance(said, dict):
        return {
            name: without_words(value) for name, value in said.items() if name not in {"message", "debug"}
        }
    return [without_words(value) for value in said] if isinstance(said, list) else said


def enveloped(*messages: bytes) -> bytes:
    """A stream's content."""
    return b"".join(b"\0" + len(message).to_bytes(4, "big") + message for message in messages)


TAGS = [("x-tag", "1"), ("x-tag", "2")]
STREAM = [("content-type", "application/connect+json"), *TAGS]
MIRRORED = {"content-type": "application/mirrored"}
MIRRORED_STREAM = {"content-type": "application/connect+mirrored"}

TALK = "/talk.v1.TalkService"
TALK_CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "unary": (
        "POST",
        f"{TALK}/Say",
        {"json": {"sentence": "a"}, "headers": [*TAGS, ("connect-timeout-ms", "5000")]},
    ),
    "binary": (
        "POST",
        f"{TALK}/Say",
        {"content": b"\n\x01a", "headers": {"content-type": "application/proto"}},
    ),
    "gzip": (
        "POST",
        f"{TALK}/Say",
        {
            "content": gzip.compress(b'{"sentence": "a"}'),
            "headers": {"content-type": "application/json", "content-encoding": "gzip"},
        },
    ),
    "get": ("GET", f"{TALK}/Look?connect=v1&encoding=json&message=%7B%7D", {}),
    "server stream": (
        "POST",
        f"{TALK}/Count",
        {"content": enveloped(b'{"upTo": 2}'), "headers": STREAM},
    ),
    "client stream": (
        "POST",
        f"{TALK}/Sum",
        {"content": enveloped(b'{"number": 2}', b'{"number": 3}'), "headers": STREAM},
    ),
    "bidi stream": (
        "POST",
        f"{TALK}/Converse",
        {"content": enveloped(b'{"sentence": "a"}', b'{"sentence": "b"}'), "headers": STREAM},
    ),
    "error": ("POST", f"{TALK}/Fail", {"json": {"code": 5, "message": "gone"}}),
    "metadata interceptor": ("POST", f"{TALK}/Say", {"json": {}, "headers": {"x-stranger": "1"}}),
    "too large": ("POST", f"{TALK}/Say", {"json": {"sentence": "x" * 5000}}),
    "unimplemented": ("POST", f"{TALK}/CountAndFail", {"content": enveloped(b"{}"), "headers": STREAM}),
}

WRITTEN_PATH = "/hand.v1.Written"
WRITTEN_CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "unary": ("POST", f"{WRITTEN_PATH}/Unary", {"content": b"cba", "headers": MIRRORED}),
    "compressed": (
        "POST",
        f"{WRITTEN_PATH}/Unary",
        {"content": b"abc", "headers": {**MIRRORED, "content-encoding": "mirrored"}},
    ),
    "server stream": (
        "POST",
        f"{WRITTEN_PATH}/Server",
        {"content": enveloped(b"cba"), "headers": MIRRORED_STREAM},
    ),
    "client stream": (
        "POST",
        f"{WRITTEN_PATH}/Client",
        {"content": enveloped(b"cba", b"fed"), "headers": MIRRORED_STREAM},
    ),
    "bidi stream": (
        "POST",
        f"{WRITTEN_PATH}/Bidi",
        {"content": enveloped(b"cba", b"fed"), "headers": MIRRORED_STREAM},
    ),
    "a codec that it does not have": ("POST", f"{WRITTEN_PATH}/Unary", {"json": "a"}),
}

CASES = [
    *((name, call) for name in ("application", "application_sync") for call in TALK_CALLS),
    *((name, call) for name in ("written", "written_sync") for call in WRITTEN_CALLS),
]


@pytest.mark.parametrize(("application", "name"), CASES)
def test_the_moved_application_answers_as_before(
    application: str, name: str, there: dict[str, str], here: dict[str, str]
) -> None:
    method, path, request = (
        TALK_CALLS if application in {"application", "application_sync"} else WRITTEN_CALLS
    )[name]
    before, after = (told(ask(origin[application], method, path, **request)) for origin in (there, here))
    assert after == before


def test_an_exception_gives_nothing_away_any_more(here: dict[str, str]) -> None:
    for application in ("application", "application_sync"):
        answer = ask(here[application], "POST", f"{TALK}/Fail", json={})
        assert answer.json()["code"] == "unknown"
        assert "what nobody is told" not in answer.text


def seen(program: Path, stubs: str, address: str) -> dict[str, Any]:
    """What the calling program has seen of a server."""
    done = subprocess.run(
        [sys.executable, str(program), address],
        env={"PYTHONPATH": f"{ROOT / 'python'}:{stubs}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_a_calling_program_sees_the_same_with_other_imports(
    there: dict[str, str], here: dict[str, str], tmp_path: Path
) -> None:
    moved = tmp_path / "caller.py"
    moved.write_text(CALLER.read_text().replace("connectrpc", "landbridge"))
    before = seen(CALLER, str(STUBS), there["application"])
    assert set(before) > {"say", "metadata", "count", "sum", "fail 5", "watched", "say sync", "fail sync"}
    for address in (there["application"], here["application"]):
        assert seen(moved, str(OWN_STUBS), address) == before


def test_only_the_name_of_the_package_is_changed() -> None:
    for written in (WRITTEN, CALLER):
        assert written.is_relative_to(ROOT)
        assert "landbridge" not in written.read_text()
