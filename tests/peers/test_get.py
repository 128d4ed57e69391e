"""Connect GET: for methods without side effects, and safe from callers who get it wrong."""

import base64
from collections.abc import Callable, Iterator

import httpx
import pytest
from talk.v1 import talk_pb2

from tests.peers.backends import Backend, raw_backend
from tests.peers.conftest import http_client
from tests.peers.connect import error_of, path
from tests.running.bridge import Bridge

REQUEST = talk_pb2.LookRequest(name="??>>~~", until_ended=True).SerializeToString()
ANSWER = talk_pb2.LookResponse(state=talk_pb2.STATE_FINISHED).SerializeToString()


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with raw_backend(lambda _messages, _context: [ANSWER]) as backend:
        yield backend


@pytest.fixture
def get(backend: Backend, start_bridge: Callable[..., Bridge]) -> Iterator[Callable[..., httpx.Response]]:
    """Make a GET call with a query; the backend has forgotten all earlier calls."""
    backend.calls.clear()
    with http_client(start_bridge(backend.port)) as client:

        def get(query: str, method: str = "Look") -> httpx.Response:
            return client.get(f"{path(method)}?{query}")

        yield get


def _query(message: str) -> str:
    return f"connect=v1&encoding=proto&base64=1&message={message}"


@pytest.mark.parametrize(
    "encode", [base64.urlsafe_b64encode, base64.standard_b64encode], ids=["URL", "standard"]
)
@pytest.mark.parametrize("padded", [True, False])
def test_both_alphabets_of_base64_are_read_padded_or_not(
    get: Callable[..., httpx.Response], backend: Backend, encode: Callable[[bytes], bytes], padded: bool
) -> None:
    message = encode(REQUEST).decode()
    if not padded:
        message = message.rstrip("=")
    answer = get(_query(message.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")))
    assert (answer.status_code, answer.content) == (200, ANSWER)
    assert backend.calls[0].messages == [REQUEST]


@pytest.mark.parametrize("message", ["*", "A", "AA=A", "A A", "%20_8", "%FF"])
def test_invalid_base64_is_an_invalid_argument_and_the_method_is_not_called(
    get: Callable[..., httpx.Response], backend: Backend, message: str
) -> None:
    answer = get(_query(message))
    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_argument")
    assert backend.calls == []


@pytest.mark.parametrize(
    "query",
    [
        "connect=v1&message=",
        "connect=v1&encoding=proto",
        "connect=v1&encoding=proto&encoding=json&message=",
        "connect=v1&encoding=proto&message=&message=",
        "connect=v2&encoding=proto&message=",
        "connect=v1&encoding=smoke&message=",
        "connect=v1&encoding=proto&compression=snail&message=",
        "",
    ],
)
def test_a_query_that_is_not_a_call_is_refused_and_the_method_is_not_called(
    get: Callable[..., httpx.Response], backend: Backend, query: str
) -> None:
    answer = get(query)
    assert 400 <= answer.status_code < 600
    assert answer.status_code not in {500, 502, 503}
    assert backend.calls == []


def test_a_method_with_side_effects_is_not_called_by_get(
    get: Callable[..., httpx.Response], backend: Backend
) -> None:
    answer = get(_query(""), method="Say")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert backend.calls == []


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
def test_a_huge_query_is_refused_and_the_method_is_not_called(
    backend: Backend, start_bridge: Callable[..., Bridge], http2: bool
) -> None:
    backend.calls.clear()
    with http_client(start_bridge(backend.port), http2=http2) as client:
        # Heads may have 60 KiB; httpx makes no URL over 64 KiB.
        answer = client.get(f"{path('Look')}?{_query('A' * 62 * 1024)}")
    assert answer.status_code in {413, 414, 431}
    assert backend.calls == []


def test_a_message_that_is_not_base64_may_hold_any_bytes(
    get: Callable[..., httpx.Response], backend: Backend
) -> None:
    message = "".join(f"%{byte:02X}" for byte in REQUEST) + "%92%FF%01%80"
    assert get(f"connect=v1&encoding=proto&message={message}").content == ANSWER
    assert backend.calls[0].messages == [REQUEST + b"\x92\xff\x01\x80"]


@pytest.mark.parametrize("verb", ["OPTIONS", "PUT", "DELETE", "PATCH"])
def test_other_verbs_are_refused_and_do_not_reach_the_server(
    backend: Backend, start_bridge: Callable[..., Bridge], verb: str
) -> None:
    backend.calls.clear()
    with http_client(start_bridge(backend.port)) as client:
        answer = client.request(verb, path("Look"))
        with_side_effects = client.request(verb, path("Say"))
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert (with_side_effects.status_code, with_side_effects.headers["allow"]) == (405, "POST")
    assert backend.calls == []
