"""Answers that are ready before their request has come, under servers that are not ours."""

import io
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from landbridge import _asgi
from landbridge._unread import LITTLE

from tests.package.echo import SERVICE, AsyncEcho, SyncEcho, unary
from tests.package.elsewhere import echo, echo_sync

CHUNK = 64 << 10
LENGTH = 3 * CHUNK + 1
"""Four chunks, the first of which is too much already."""

LIMITED: dict[str, Any] = {"read_max_bytes": 1 << 10}
CALLS = [("Echo", 429, b"resource_exhausted"), ("Nothing", 404, b"unimplemented")]
"""One that fails by its content, and one that is refused by its head."""

LOOPS = ["asyncio", "trio"]


class Caller:
    """What an ASGI server has of a caller: what happens with the request, and the answer, in their order."""

    def __init__(
        self, present: int, *, announced: int | None = LENGTH, headers: tuple[Any, ...] = ()
    ) -> None:
        length = [] if announced is None else [(b"content-length", b"%d" % announced)]
        self.headers = [(b"content-type", b"application/json"), *length, *headers]
        self._present = present
        self._announced = announced
        self.events: list[Any] = []

    def call(self, loop: str, method: str = "Echo") -> list[Any]:
        """Make a call; return what happened."""
        scope = {"type": "http", "method": "POST", "path": f"/{SERVICE}/{method}", "headers": self.headers}
        anyio.run(AsyncEcho(unary(echo), **LIMITED), scope, self._receive, self._send, backend=loop)
        return self.events

    async def _receive(self) -> dict[str, Any]:
        if not self._present:
            await anyio.sleep_forever()
        size = min(CHUNK, self._present)
        self._present -= size
        if self._announced is not None:
            self._announced -= size
        self.events.append(size)
        return {"type": "http.request", "body": b"a" * size, "more_body": self._announced != 0}

    async def _send(self, event: dict[str, Any]) -> None:
        self.events.append(event.get("status") or event["body"])


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(("method", "status", "code"), CALLS)
def test_a_caller_who_is_about_to_be_done_finishes_before_the_answer(
    loop: str, method: str, status: int, code: bytes
) -> None:
    *request, head, content = Caller(LENGTH).call(loop, method)
    assert (request, head) == ([CHUNK, CHUNK, CHUNK, 1], status)
    assert code in content


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    "caller",
    [
        pytest.param(lambda: Caller(2 * CHUNK), id="stalls"),
        pytest.param(lambda: Caller(CHUNK, announced=None), id="does not say how much comes"),
        pytest.param(lambda: Caller(CHUNK, announced=CHUNK + LITTLE + 1), id="has a lot to send"),
        pytest.param(lambda: Caller(CHUNK, headers=((b"expect", b"100-continue"),)), id="waits to be asked"),
    ],
)
def test_a_caller_who_is_not_about_to_be_done_is_answered_all_the_same(
    loop: str, caller: Callable[[], Caller]
) -> None:
    *_, head, content = caller().call(loop)
    assert head == 429
    assert b"resource_exhausted" in content


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have answers wait for longer than a test may take."""
    monkeypatch.setattr(_asgi, "PATIENCE", 600.0)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("loop", LOOPS)
def test_an_early_answer_does_not_wait_longer_than_its_caller(loop: str) -> None:
    caller = Caller(2 * CHUNK, headers=((b"connect-timeout-ms", b"100"),))
    *_, head, _ = caller.call(loop)
    assert head in {429, 504}


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("loop", LOOPS)
def test_an_early_answer_waits_for_nobody_who_is_gone(loop: str) -> None:
    class Leaving(Caller):
        async def _receive(self) -> dict[str, Any]:
            return await super()._receive() if self._present else {"type": "http.disconnect"}

    # That it comes back at all is what is asked for.
    Leaving(2 * CHUNK).call(loop)


class Input(io.BytesIO):
    """What a WSGI server has of a request of which not everything has come: who reads on waits for ever."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read what is there."""
        data = super().read(size)
        assert data, "nobody is going to send more"
        return data


def answered(present: int, announced: int, method: str = "Echo", **environ: str) -> tuple[int, str, bytes]:
    """Make a call under WSGI; return how much was read when the head came, its status, and the content."""
    content = Input(b"a" * present)
    heads: list[tuple[int, str]] = []

    def start_response(status: str, _headers: list[tuple[str, str]]) -> None:
        heads.append((content.tell(), status))

    call = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": f"/{SERVICE}/{method}",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(announced),
        "wsgi.input": content,
        **environ,
    }
    pieces = iter(SyncEcho(unary(echo_sync), **LIMITED)(call, start_response))
    first = next(pieces)
    return (*heads[0], first)


@pytest.mark.parametrize(("method", "status", "code"), CALLS)
def test_under_wsgi_a_caller_who_is_about_to_be_done_finishes_before_the_answer(
    method: str, status: int, code: bytes
) -> None:
    read, head, content = answered(LENGTH, LENGTH, method)
    assert (read, int(head.split()[0])) == (LENGTH, status)
    assert code in content


@pytest.mark.parametrize(
    ("announced", "environ"), [(CHUNK + LITTLE + 1, {}), (LENGTH, {"HTTP_EXPECT": "100-continue"})]
)
def test_under_wsgi_a_caller_who_may_take_its_time_is_answered_first(
    announced: int, environ: dict[str, str]
) -> None:
    read, head, _ = answered(CHUNK, announced, **environ)
    assert (read, head) == (CHUNK, "429 Too Many Requests")
