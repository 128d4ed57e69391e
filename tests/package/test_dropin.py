"""An application for Connect-Python runs on landbridge with generated stubs and other imports, and nothing
else.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running.paths import OWN_STUBS, ROOT, STUBS
from tests.running.processes import running
from tests.running.python_server import running_python_server

WRITTEN = Path(__file__).parent / "dropin" / "service.py"
CALLER = WRITTEN.with_name("caller.py")

PATH = "/talk.v1.TalkService"


@pytest.fixture(scope="module")
def there() -> Iterator[str]:
    """The application on Connect-Python and uvicorn, as it was written; gives its origin."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        descriptor = listening.fileno()
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "--lifespan=on",
            f"--fd={descriptor}",
            "service:application",
        ]
        environment = {"PYTHONPATH": f"{WRITTEN.parent}:{STUBS}"}
        with running(command, env=environment, pass_fds=(descriptor,)):
            # Who connects before it accepts waits in the queue of the socket.
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, own_stubs: str) -> Iterator[dict[str, str]]:
    """The same text with other imports, on landbridge; gives the origins of both its applications."""
    assert own_stubs == str(OWN_STUBS)
    folder = tmp_path_factory.mktemp("here")
    moved = WRITTEN.read_text().replace("connectrpc", "landbridge")
    (folder / "service.py").write_text(moved)
    flags = ("--app-dir", str(folder))
    with (
        running_python_server("service:application", 0, *flags) as port,
        running_python_server("service:application_sync", 0, *flags) as sync_port,
    ):
        yield {"async": f"http://127.0.0.1:{port}", "sync": f"http://127.0.0.1:{sync_port}"}


def ask(origin: str, method: str, path: str, **request: Any) -> httpx.Response:
    """One request."""
    return httpx.request(method, f"{origin}{PATH}/{path}", timeout=30, **request)


def told(response: httpx.Response) -> tuple[int, Any, dict[str, str]]:
    """What matters of an answer: not the words of messages, nor how JSON is spaced."""
    kept = ("content-type", "x-tag-header", "trailer-x-tag-trailer", "trailer-x-guarded", "x-sync")
    headers = {name: response.headers[name] for name in kept if name in response.headers}
    kind = headers.get("content-type")
    if kind == "application/json":
        return response.status_code, without_words(response.json()), headers
    if kind == "application/connect+json":
        return response.status_code, list(messages(response.content)), headers
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


STREAM = {"content-type": "application/connect+json", "x-tag": "1"}

CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "unary": (
        "POST",
        "Say",
        {"json": {"sentence": "a"}, "headers": {"x-tag": "1", "connect-timeout-ms": "5000"}},
    ),
    "binary": ("POST", "Say", {"content": b"\n\x01a", "headers": {"content-type": "application/proto"}}),
    "get": ("GET", "Look?connect=v1&encoding=json&message=%7B%7D", {}),
    "server stream": ("POST", "Count", {"content": enveloped(b'{"upTo": 2}'), "headers": STREAM}),
    "client stream": (
        "POST",
        "Sum",
        {"content": enveloped(b'{"number": 2}', b'{"number": 3}'), "headers": STREAM},
    ),
    "error": ("POST", "Fail", {"json": {"code": 5, "message": "gone"}}),
    "metadata interceptor": ("POST", "Say", {"json": {}, "headers": {"x-stranger": "1"}}),
    "too large": ("POST", "Say", {"json": {"sentence": "x" * 5000}}),
    "unimplemented": ("POST", "CountAndFail", {"content": enveloped(b"{}"), "headers": STREAM}),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_moved_application_answers_as_before(name: str, there: str, here: dict[str, str]) -> None:
    method, path, request = CALLS[name]
    before, after = (told(ask(origin, method, path, **request)) for origin in (there, here["async"]))
    assert after == before


def test_its_blocking_half_answers_as_well(here: dict[str, str]) -> None:
    status, body, headers = told(ask(here["sync"], "POST", "Say", json={"sentence": "a"}))
    assert (status, headers["x-sync"]) == (200, "1")
    assert body == {"sentence": "a: talk.v1.TalkService/Say by POST, time: False"}
    assert (
        ask(here["sync"], "POST", "Fail", json={"code": 5, "message": "gone"}).json()["code"] == "not_found"
    )


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
    there: str, here: dict[str, str], tmp_path: Path
) -> None:
    moved = tmp_path / "caller.py"
    moved.write_text(CALLER.read_text().replace("connectrpc", "landbridge"))
    before = seen(CALLER, str(STUBS), there)
    assert set(before) > {"say", "metadata", "count", "sum", "fail 5", "watched", "say sync", "fail sync"}
    for address in (there, here["async"]):
        assert seen(moved, str(OWN_STUBS), address) == before


def test_only_the_name_of_the_package_is_changed() -> None:
    for written in (WRITTEN, CALLER):
        assert written.is_relative_to(ROOT)
        assert "landbridge" not in written.read_text()
