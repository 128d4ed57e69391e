"""Browsers on other origins: allowed by a setting, and by nothing else."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.method import StreamType
from landbridge.request import RequestContext
from landbridge.serving import Cors, Server

from tests.package.conftest import Serve
from tests.package.echo import SERVICE, AsyncEcho, SyncEcho

ORIGIN = "https://app.example"
ELSEWHERE = "https://elsewhere.example"
COUNT = {"content-type": "application/connect+json"}

Context = RequestContext[Any, Any]


async def echo(request: StringValue, ctx: Context) -> StringValue:
    """Answer with the request; fail for `fail`."""
    if request.value == "fail":
        raise ConnectError(Code.NOT_FOUND, "no such thing")
    ctx.response_headers["x-header"] = "1"
    ctx.response_trailers["x-trailer"] = "1"
    return request


async def count(request: StringValue, _ctx: Context) -> AsyncIterator[StringValue]:
    """Answer twice."""
    yield request
    yield request


def echo_sync(request: StringValue, _ctx: Context) -> StringValue:
    """Answer with the request."""
    return request


def application() -> AsyncEcho:
    return AsyncEcho({"Echo": (StreamType.UNARY, echo), "Count": (StreamType.SERVER_STREAM, count)})


def preflight(
    port: int, origin: str = ORIGIN, *, headers: str = "content-type,x-tag", path: str = "Echo"
) -> Any:
    """Ask as a browser does before it calls."""
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": headers,
    }
    return httpx.options(f"http://127.0.0.1:{port}/{SERVICE}/{path}", headers=asked)


def names(answer: httpx.Response, header: str) -> set[str]:
    """What a header lists."""
    return set(answer.headers[header].lower().split(","))


@pytest.mark.parametrize("kind", ["asynchronous", "blocking"])
def test_a_preflight_of_an_allowed_origin_is_answered(kind: str, serve: Serve) -> None:
    served: Any = (
        application() if kind == "asynchronous" else SyncEcho({"Echo": (StreamType.UNARY, echo_sync)})
    )
    answer = preflight(serve(served, cors=Cors(allow_origins=[ORIGIN], allow_headers=["X-Tag"])))
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-max-age"] == "7200"
    assert answer.headers["vary"] == "origin"
    assert names(answer, "access-control-allow-methods") == {"get", "post"}
    assert names(answer, "access-control-allow-headers") >= {
        *("authorization", "content-type", "x-tag", "grpc-timeout", "x-grpc-web"),
        *("connect-protocol-version", "connect-timeout-ms"),
    }
    assert "access-control-allow-credentials" not in answer.headers


def test_a_page_may_read_what_a_call_has_come_to(serve: Serve) -> None:
    port = serve(application(), cors=Cors(allow_origins=[ORIGIN]))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/{SERVICE}/", headers={"origin": ORIGIN}) as page:
        unary = page.post("Echo", json="a")
        failed = page.post("Echo", json="fail")
        stream = page.post("Count", content=b'\0\0\0\0\3"a"', headers=COUNT)
        unknown = page.post("Nothing", json="a")
        refused = page.post("Count", json="a")
    assert (unary.json(), failed.status_code, unknown.status_code, refused.status_code) == (
        "a",
        404,
        404,
        415,
    )
    for answer in (unary, failed, stream, unknown, refused):
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["vary"] == "origin"
    assert names(unary, "access-control-expose-headers") >= {"x-header", "trailer-x-trailer", "grpc-status"}


def test_other_origins_are_told_nothing(serve: Serve) -> None:
    port = serve(application(), cors=Cors(allow_origins=[ORIGIN]))
    answers = [
        preflight(port, ELSEWHERE),
        httpx.post(f"http://127.0.0.1:{port}/{SERVICE}/Echo", json="a", headers={"origin": ELSEWHERE}),
        httpx.post(f"http://127.0.0.1:{port}/{SERVICE}/Echo", json="a"),
    ]
    assert [answer.status_code for answer in answers] == [405, 200, 200]
    for answer in answers:
        assert not any(name.startswith("access-control-") for name in answer.headers)
    # Caches have to know that others are told more.
    assert [answer.headers.get("vary") for answer in answers[1:]] == ["origin", "origin"]


@pytest.mark.parametrize("origin", ["http://[::1]:3000", "http://localhost:3000", "app://an-app"])
def test_an_origin_may_have_an_address_a_port_and_a_scheme_of_its_own(origin: str, serve: Serve) -> None:
    port = serve(application(), cors=Cors(allow_origins=[origin]))
    assert preflight(port, origin).headers["access-control-allow-origin"] == origin


def test_without_the_setting_no_origin_is_told_anything(serve: Serve) -> None:
    port = serve(application())
    answer = preflight(port)
    assert answer.status_code == 405
    assert not any(name.startswith("access-control-") for name in answer.headers)


def test_every_origin_and_every_header_may_be_allowed(serve: Serve) -> None:
    port = serve(application(), cors=Cors(allow_origins="*", allow_headers="*", max_age=None))
    answer = preflight(port, ELSEWHERE, headers="x-a,x-b")
    assert answer.headers["access-control-allow-origin"] == ELSEWHERE
    assert names(answer, "access-control-allow-headers") == {"x-a", "x-b"}
    assert "access-control-max-age" not in answer.headers


def test_credentials_may_be_allowed_to_named_origins(serve: Serve) -> None:
    port = serve(application(), cors=Cors(allow_origins=[ORIGIN], allow_credentials=True))
    assert preflight(port).headers["access-control-allow-credentials"] == "true"


def test_the_application_behind_answers_for_itself(serve: Serve) -> None:
    async def behind(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": scope["method"].encode()})

    port = serve(application(), cors=Cors(allow_origins=[ORIGIN]), fallback=behind)
    asked = {"origin": ORIGIN, "access-control-request-method": "POST"}
    answer = httpx.options(f"http://127.0.0.1:{port}/page", headers=asked)
    assert answer.text == "OPTIONS"
    assert not any(name.startswith("access-control-") for name in answer.headers)
    assert preflight(port).status_code == 204


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"allow_origins": ORIGIN}, "allow_origins is 'https://app.example': it must be a list, or \"*\""),
        ({"allow_origins": 5}, 'allow_origins is 5: it must be a list, or "*"'),
        ({"allow_origins": [5]}, "allow_origins has 5: it must have text"),
        ({"allow_origins": ["app.example"]}, "'app.example', which is no origin"),
        ({"allow_origins": [f"{ORIGIN}/"]}, "'https://app.example/', which is no origin"),
        ({"allow_origins": ["https://app.example:443"]}, "'https://app.example:443', which is no origin"),
        ({"allow_origins": ["https://*.app.example"]}, "'https://*.app.example', which is no origin"),
        ({"allow_origins": (origin for origin in [ORIGIN])}, "allow_origins is a generator"),
        ({"allow_origins": ["https://App.example"]}, "'https://App.example', which is no origin"),
        ({"allow_origins": [ORIGIN], "allow_headers": ["x tag"]}, "'x tag', which is no name of a header"),
        ({"allow_origins": "*", "allow_credentials": True}, "name the allow_origins"),
        ({"allow_origins": [ORIGIN], "max_age": -1}, "max_age is -1"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(said)):
        Cors(**settings)


def test_a_server_takes_cors_as_nothing_else() -> None:
    async def started() -> None:
        Server(application(), cors=[ORIGIN])  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="cors is a list"):
        asyncio.run(started())
