"""Requests that nobody should send: each is answered in its own protocol, and the server goes on."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults

import grpc
import httpx
import pytest
from google.protobuf.struct_pb2 import Value
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.method import IdempotencyLevel, MethodInfo, StreamType
from landbridge.request import RequestContext
from landbridge.server import ConnectASGIApplication, ConnectWSGIApplication, Endpoint, EndpointSync

from tests.package.conftest import Serve
from tests.package.echo import SERVICE, AsyncEcho, SyncEcho, stub, text

Channel = Callable[[int], grpc.Channel]
Context = RequestContext[Any, Any]

GET = "connect=v1&encoding=json"
UNARY = {"content-type": "application/json"}
STREAM = {"content-type": "application/connect+json"}
GRPC = {"content-type": "application/grpc", "te": "trailers"}
WEB = {"content-type": "application/grpc-web+proto"}
WEB_TEXT = {"content-type": "application/grpc-web-text+proto"}


def envelope(message: bytes, flags: int = 0, length: int | None = None) -> bytes:
    """One message of a stream."""
    return bytes([flags]) + (len(message) if length is None else length).to_bytes(4, "big") + message


UNARY_CASES: dict[str, tuple[dict[str, str], bytes, str]] = {
    "no JSON": (UNARY, b"{", "invalid_argument"),
    "invalid UTF-8": (UNARY, b'"\xff"', "invalid_argument"),
    "JSON nested too deep": (UNARY, b"[" * 100_000, "invalid_argument"),
    "a bomb": ({**UNARY, "content-encoding": "gzip"}, gzip.compress(bytes(50 << 20)), "resource_exhausted"),
    "no gzip": ({**UNARY, "content-encoding": "gzip"}, b"nonsense", "invalid_argument"),
    "an unknown compression": ({**UNARY, "content-encoding": "rot13"}, b"x", "unimplemented"),
    "an empty timeout": ({**UNARY, "connect-timeout-ms": ""}, b'"a"', "invalid_argument"),
    "a negative timeout": ({**UNARY, "connect-timeout-ms": "-1"}, b'"a"', "invalid_argument"),
    "a signed timeout": ({**UNARY, "connect-timeout-ms": "+1"}, b'"a"', "invalid_argument"),
    "a timeout of 11 digits": ({**UNARY, "connect-timeout-ms": "1" * 11}, b'"a"', "invalid_argument"),
    "a timeout of zero": ({**UNARY, "connect-timeout-ms": "0"}, b'"a"', "deadline_exceeded"),
    "metadata that is no base64": ({**UNARY, "x-data-bin": "%%%"}, b'"a"', "invalid_argument"),
}
"""Unary calls in Connect: headers, content, and the code that the caller gets."""

STREAM_CASES: dict[str, tuple[bytes, str]] = {
    "cut in the prefix": (b"\0\0", "invalid_argument"),
    "cut in the message": (envelope(b'"a', length=9), "invalid_argument"),
    "the largest length": (envelope(b"", length=(1 << 32) - 1), "resource_exhausted"),
    "reserved flags": (envelope(b'"a"', flags=0x40), "invalid_argument"),
    "compressed by nothing": (envelope(b'"a"', flags=1), "internal"),
    "an end from the client": (envelope(b"{}", flags=2), "invalid_argument"),
    "no message": (b"", "unimplemented"),
    "two messages for one": (envelope(b'"a"') * 2, "unimplemented"),
    "no JSON": (envelope(b"{"), "invalid_argument"),
}
"""Contents of a server stream in Connect, and the code."""

GET_CASES: dict[str, tuple[str, int]] = {
    "no encoding": ("connect=v1&message=%22a%22", 400),
    "a foreign encoding": ("connect=v1&encoding=xml&message=a", 415),
    "base64 that is none": (f"{GET}&base64=1&message=%25%25", 400),
    "a message twice": (f"{GET}&message=%22a%22&message=%22b%22", 400),
    "a version of its own": ("connect=v2&encoding=json&message=%22a%22", 400),
    "no JSON": (f"{GET}&message=%7B", 400),
}
"""Queries, and the HTTP status."""

GRPC_CASES: dict[str, tuple[dict[str, str], bytes, grpc.StatusCode]] = {
    "a timeout of 9 digits": (
        {"grpc-timeout": "1" * 9 + "S"},
        envelope(b""),
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    "a timeout of no unit": ({"grpc-timeout": "1"}, envelope(b""), grpc.StatusCode.INVALID_ARGUMENT),
    "a negative timeout": ({"grpc-timeout": "-1S"}, envelope(b""), grpc.StatusCode.INVALID_ARGUMENT),
    "metadata that is no base64": ({"x-data-bin": "%%%"}, envelope(b""), grpc.StatusCode.INVALID_ARGUMENT),
    "no message": ({}, b"", grpc.StatusCode.UNIMPLEMENTED),
    "two messages": ({}, envelope(b"") * 2, grpc.StatusCode.UNIMPLEMENTED),
    "a cut message": ({}, envelope(b"a", length=9), grpc.StatusCode.INVALID_ARGUMENT),
    "reserved flags": ({}, envelope(b"", flags=0x80), grpc.StatusCode.INTERNAL),
    "no protobuf": ({}, envelope(b"\xff\xff"), grpc.StatusCode.INVALID_ARGUMENT),
    "the largest length": ({}, envelope(b"", length=(1 << 32) - 1), grpc.StatusCode.RESOURCE_EXHAUSTED),
}
"""Headers, content, and the status."""


async def echo(request: StringValue, _ctx: Context) -> StringValue:
    """Answer with the request."""
    return request


async def count(request: StringValue, _ctx: Context) -> AsyncIterator[StringValue]:
    """Answer with the request."""
    yield request


def echo_sync(request: StringValue, _ctx: Context) -> StringValue:
    """Answer with the request."""
    return request


def count_sync(request: StringValue, _ctx: Context) -> Iterator[StringValue]:
    """Answer with the request."""
    yield request


@pytest.fixture(params=["async", "sync"])
def url(request: pytest.FixtureRequest, serve: Serve, channel: Channel) -> Iterator[str]:
    """A service; it still serves when the test is over."""
    application: Any = (
        AsyncEcho({"Echo": (StreamType.UNARY, echo), "Count": (StreamType.SERVER_STREAM, count)})
        if request.param == "async"
        else SyncEcho(
            {"Echo": (StreamType.UNARY, echo_sync), "Count": (StreamType.SERVER_STREAM, count_sync)}
        )
    )
    port = serve(application)
    # A call that is open all the time, on a connection of its own, is not touched by what others do.
    with httpx.Client() as bystander:
        bystander.post(f"http://127.0.0.1:{port}/{SERVICE}/Echo", json="before")
        yield f"http://127.0.0.1:{port}/{SERVICE}"
        assert bystander.post(f"http://127.0.0.1:{port}/{SERVICE}/Echo", json="after").json() == "after"
    assert stub(channel(port))(text("a")).value == "a"


@pytest.mark.parametrize("name", UNARY_CASES)
def test_a_bad_unary_call_in_connect(name: str, url: str) -> None:
    headers, content, code = UNARY_CASES[name]
    answer = httpx.post(f"{url}/Echo", content=content, headers=headers)
    assert answer.json()["code"] == code
    assert answer.json()["message"]


@pytest.mark.parametrize("name", STREAM_CASES)
def test_a_bad_stream_in_connect_ends_with_an_error(name: str, url: str) -> None:
    content, code = STREAM_CASES[name]
    answer = httpx.post(f"{url}/Count", content=content, headers=STREAM)
    assert answer.status_code == 200
    assert answer.content[0] == 2
    assert json.loads(answer.content[5:])["error"]["code"] == code


class Early:
    """Has the handler's side begin before the request is read."""

    async def on_start(self, ctx: Context) -> None:
        """Begin."""

    async def on_end(self, _token: None, _ctx: Context, _error: Exception | None) -> None:
        """End."""

    def on_start_sync(self, ctx: Context) -> None:
        """Begin."""

    def on_end_sync(self, _token: None, _ctx: Context, _error: Exception | None) -> None:
        """End."""


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "no message"), (envelope(b'"a"') * 2, "more than one message")],
    ids=["no message", "two messages"],
)
@pytest.mark.parametrize("interceptors", [(), (Early(),)], ids=["", "read by the handler's side"])
@pytest.mark.parametrize("server", ["own, async", "own, sync", "ASGI", "WSGI"])
def test_a_method_that_takes_one_message_gets_one_or_is_not_run(
    server: str, interceptors: Any, content: bytes, said: str, serve: Serve
) -> None:
    ran: list[Any] = []

    async def count(request: StringValue, _ctx: Context) -> AsyncIterator[StringValue]:
        ran.append(request)
        yield request

    def count_sync(request: StringValue, _ctx: Context) -> Iterator[StringValue]:
        ran.append(request)
        yield request

    async def post_asgi() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application)) as client:
            return await client.post(url, content=content, headers=STREAM)

    kind = StreamType.SERVER_STREAM
    if server in {"own, async", "ASGI"}:
        application: Any = AsyncEcho({"Count": (kind, count)}, interceptors=interceptors)
    else:
        application = SyncEcho({"Count": (kind, count_sync)}, interceptors=interceptors)
    if server.startswith("own"):
        url = f"http://127.0.0.1:{serve(application)}/{SERVICE}/Count"
        answer = httpx.post(url, content=content, headers=STREAM)
    else:
        url = f"http://in-memory/{SERVICE}/Count"
        if server == "ASGI":
            answer = asyncio.run(post_asgi())
        else:
            with httpx.Client(transport=httpx.WSGITransport(application)) as client:
                answer = client.post(url, content=content, headers=STREAM)
    message = f"the method takes exactly one message, and the request has {said}"
    assert json.loads(answer.content[5:])["error"] == {"code": "unimplemented", "message": message}
    assert ran == []


@pytest.mark.parametrize("name", GRPC_CASES)
@pytest.mark.parametrize("protocol", ["grpc", "grpc-web"])
def test_a_bad_call_in_grpc_or_grpc_web_has_a_status(protocol: str, name: str, url: str) -> None:
    headers, content, status = GRPC_CASES[name]
    number = str(status.value[0])
    if protocol == "grpc":
        with httpx.Client(http1=False, http2=True) as client:
            answer = client.post(f"{url}/Echo", content=content, headers={**GRPC, **headers})
        # httpx shows no trailers; an error without messages has its status in the head.
        assert answer.headers["grpc-status"] == number
    else:
        answer = httpx.post(f"{url}/Echo", content=content, headers={**WEB, **headers})
        said = answer.content[5:].decode() if answer.content else str(answer.headers)
        assert f"grpc-status: {number}" in said.replace("grpc-status:", "grpc-status: ").replace(
            "  ", " "
        ) or (answer.headers.get("grpc-status") == number)


COMPRESSED: dict[str, tuple[dict[str, str], str]] = {
    "content-encoding": (UNARY, "accept-encoding"),
    "connect-content-encoding": (STREAM, "connect-accept-encoding"),
    "grpc-encoding": (GRPC, "grpc-accept-encoding"),
}
"""The header that names a compression: what else goes with it, and where the answer lists what there is."""


@pytest.mark.parametrize("name", COMPRESSED)
@pytest.mark.parametrize("compression", ["br", "rot13"])
def test_a_compression_that_the_application_lacks_is_answered_by_those_it_has(
    compression: str, name: str, url: str
) -> None:
    headers, listed = COMPRESSED[name]
    method = "Count" if headers is STREAM else "Echo"
    with httpx.Client(http1=headers is not GRPC, http2=headers is GRPC) as client:
        answer = client.post(f"{url}/{method}", content=b"", headers={**headers, name: compression})
        assert answer.headers[listed] == "gzip,deflate"
        said = answer.headers.get("grpc-message") or answer.text
        assert "use one of gzip, deflate, identity" in said
        if headers is GRPC:
            assert answer.headers["grpc-status"] == "12"
            # Whoever looks there for what to use next finds it in every answer.
            answer = client.post(f"{url}/Echo", content=envelope(b""), headers=GRPC)
            assert answer.headers[listed] == "gzip,deflate"


@pytest.mark.parametrize("content", [b"AA=A", b"AAA", b"AA AA", b"!!!!"])
def test_a_bad_text_in_grpc_web_has_a_status(content: bytes, url: str) -> None:
    answer = httpx.post(f"{url}/Echo", content=content, headers=WEB_TEXT)
    assert answer.status_code == 200
    assert answer.headers.get("grpc-status", "in the content") != "0"


@pytest.mark.parametrize(
    ("method", "headers", "wanted"),
    [("Echo", STREAM, "application/json"), ("Count", UNARY, "application/connect+json")],
)
def test_connects_form_has_to_be_that_of_the_method(
    method: str, headers: dict[str, str], wanted: str, url: str
) -> None:
    answer = httpx.post(f"{url}/{method}", content=envelope(b'"a"'), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unimplemented")
    accepted = answer.headers["accept-post"].split(", ")
    assert wanted in accepted
    assert headers["content-type"] not in accepted
    assert (
        httpx.post(f"{url}/{method}", content=b"", headers=WEB).headers["content-type"] == WEB["content-type"]
    )


def test_a_get_with_side_effects_is_not_allowed(url: str) -> None:
    answer = httpx.get(f"{url}/Echo?{GET}&message=%22a%22")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_other_methods_and_types_are_refused_as_http_has_it(url: str) -> None:
    for method in ("PUT", "DELETE", "GET"):
        answer = httpx.request(method, f"{url}/Echo")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert httpx.post(f"{url}/Echo", content=b"a", headers={"content-type": "text/xml"}).status_code == 415
    assert httpx.post(f"{url}/Echo", content=b"a").status_code == 415


class Looking(ConnectASGIApplication[None]):
    """A method without side effects, whose messages may hold anything."""

    path = f"/{SERVICE}"

    def __init__(self) -> None:
        async def look(request: Value, _ctx: Context) -> Value:
            return request

        method = MethodInfo(
            name="Look",
            service_name=SERVICE,
            input=Value,
            output=Value,
            idempotency_level=IdempotencyLevel.NO_SIDE_EFFECTS,
            stream_type=StreamType.UNARY,
        )
        endpoint = Endpoint.unary(method, look)
        super().__init__(service=None, endpoints=lambda _: {f"/{SERVICE}/Look": endpoint})


def test_a_method_without_side_effects_is_allowed_by_get_too(serve: Serve) -> None:
    url = f"http://127.0.0.1:{serve(Looking())}/{SERVICE}/Look"
    answer = httpx.put(url)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    no_call = httpx.get(url)
    assert (no_call.status_code, no_call.json()["code"]) == (400, "invalid_argument")


class LookingSync(ConnectWSGIApplication):
    """The same, on threads."""

    path = f"/{SERVICE}"

    def __init__(self) -> None:
        [(path, endpoint)] = Looking()._endpoints(None).items()
        super().__init__(endpoints={path: EndpointSync.unary(endpoint.method, lambda request, _ctx: request)})


QUERIES = [b'encoding=json&message={"a":["<b>^`|"]}', 'encoding=json&message="é ü"'.encode()]
"""Calls by GET with characters that have to be escaped in a URL, and are not; some servers let them pass."""


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_that_is_not_escaped_is_read_as_it_is(query: bytes) -> None:
    message = query.partition(b"message=")[2]

    async def called() -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        received = iter([{"type": "http.request", "body": b""}])

        async def receive() -> dict[str, Any]:
            for event in received:
                return event
            # The client stays.
            await asyncio.Event().wait()
            raise AssertionError

        async def send(event: dict[str, Any]) -> None:
            sent.append(event)

        scope = {"type": "http", "method": "GET", "path": f"/{SERVICE}/Look", "headers": []}
        await Looking()({**scope, "query_string": query}, receive, send)
        return sent

    start, body = asyncio.run(called())
    assert (start["status"], json.loads(body["body"])) == (200, json.loads(message))

    environ: dict[str, Any] = {"PATH_INFO": f"/{SERVICE}/Look", "QUERY_STRING": query.decode("latin-1")}
    setup_testing_defaults(environ)
    statuses: list[str] = []
    answer = b"".join(LookingSync()(environ, lambda status, _headers: statuses.append(status)))
    assert (statuses, json.loads(answer)) == (["200 OK"], json.loads(message))


@pytest.mark.parametrize("name", GET_CASES)
def test_a_bad_get(name: str, serve: Serve) -> None:
    query, status = GET_CASES[name]
    url = f"http://127.0.0.1:{serve(Looking())}/{SERVICE}/Look"
    assert httpx.get(f"{url}?{query}").status_code == status
    with_content = httpx.request("GET", f"{url}?{GET}&message=%22a%22", content=b"whatever")
    assert (with_content.status_code, with_content.json()["code"]) == (400, "invalid_argument")
    for encoded in ("ImEi", "ImFiIg==", "ImFiIg"):
        assert httpx.get(f"{url}?{GET}&base64=1&message={encoded}").status_code == 200


def test_a_message_that_recurses_is_the_callers_mistake(serve: Serve) -> None:
    url = f"http://127.0.0.1:{serve(Looking())}/{SERVICE}/Look"
    for nested in (b"[" * 1_000 + b"]" * 1_000, b"[" * 100_000):
        answer = httpx.post(url, content=nested, headers=UNARY)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")


@pytest.mark.parametrize(
    "sent", ["grpc-status", "grpc-message", "grpc-encoding", "connect-nonsense", "trailer-x", "x-envoy-x"]
)
def test_headers_that_belong_to_answers_mean_nothing_in_requests(sent: str, serve: Serve) -> None:
    url = f"http://127.0.0.1:{serve(Looking())}/{SERVICE}/Look"
    answer = httpx.post(url, json="a", headers={sent: "16"})
    assert (answer.status_code, answer.json()) == (200, "a")
    assert sent not in answer.headers
