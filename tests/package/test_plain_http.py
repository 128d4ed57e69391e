"""Plain HTTP beside calls: the ASGI application behind the server, real ones and some of bare ASGI."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx
import pytest
import websockets.sync.client
from fastapi import BackgroundTasks, FastAPI, Request
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.request import RequestContext
from landbridge.serving import Limits, ServerSync
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
from websockets.exceptions import InvalidStatus

from tests.package.conftest import Serve
from tests.package.echo import SERVICE, AsyncEcho, stub, text, unary

Channel = Callable[[int], grpc.Channel]
Context = RequestContext[Any, Any]


async def echo(request: StringValue, _ctx: Context) -> StringValue:
    """Answer with the request."""
    return request


def test_a_fastapi_application_shares_the_port_with_calls(serve: Serve, channel: Channel) -> None:
    application = FastAPI()
    done = threading.Event()

    @application.post("/users/{number}")
    async def create(number: int, request: Request, after: BackgroundTasks) -> dict[str, Any]:
        after.add_task(done.set)
        return {"number": number, "said": await request.json()}

    port = serve(AsyncEcho(unary(echo)), fallback=application)
    url = f"http://127.0.0.1:{port}"
    answer = httpx.post(f"{url}/users/7?q=1", json={"name": "ä"})
    assert (answer.status_code, answer.json()) == (200, {"number": 7, "said": {"name": "ä"}})
    assert done.wait(10)
    assert httpx.post(f"{url}/users/seven", json={}).status_code == 422
    assert httpx.get(f"{url}/openapi.json").json()["paths"].keys() == {"/users/{number}"}
    assert httpx.get(f"{url}/nothing").status_code == 404
    assert stub(channel(port))(text("a")).value == "a"


def test_a_starlette_application_streams_both_ways(serve: Serve) -> None:
    async def upper(request: Request) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            async for piece in request.stream():
                yield piece.upper()

        return StreamingResponse(pieces(), headers={"x-rest": "1"})

    application = Starlette(routes=[Route("/upper", upper, methods=["PUT"])])
    port = serve(AsyncEcho(unary(echo)), fallback=application)
    sent = b"abc" * 100_000
    for http2 in (False, True):
        with httpx.Client(http1=not http2, http2=http2) as client:
            answer = client.put(f"http://127.0.0.1:{port}/upper", content=iter([sent, sent]))
            assert answer.content == (sent + sent).upper()
            assert answer.headers["x-rest"] == "1"


def test_the_lifespan_of_the_application_is_that_of_the_server() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(_application: Any) -> AsyncIterator[dict[str, str]]:
        seen.append("started")
        yield {"shared": "state"}
        seen.append("ended")

    async def look(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.state.shared)

    application = Starlette(routes=[Route("/look", look)], lifespan=lifespan)
    with ServerSync(AsyncEcho(unary(echo)), port=0, fallback=application) as server:
        assert seen == ["started"]
        assert httpx.get(f"http://127.0.0.1:{server.port}/look").text == "state"
    assert seen == ["started", "ended"]


def test_an_application_that_fails_to_start_keeps_the_server_from_starting() -> None:
    @asynccontextmanager
    async def lifespan(_application: Any) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    server = ServerSync(AsyncEcho(unary(echo)), port=0, fallback=Starlette(lifespan=lifespan))
    with pytest.raises(RuntimeError, match=r"failed in its lifespan.*no database"):
        server.start()


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application without a framework, that knows no lifespan."""
    assert scope["type"] == "http"
    body = b""
    while True:
        event = await receive()
        body += event["body"]
        if not event["more_body"]:
            break
    said = f"{scope['method']} {scope['path']} {scope['query_string'].decode()} ".encode() + body
    headers = [(b"content-type", b"text/plain"), (b"x-rest", b"1")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": said, "more_body": True})
    await send({"type": "http.response.body", "body": b"!"})


def test_a_bare_application_needs_no_lifespan(serve: Serve) -> None:
    port = serve(AsyncEcho(unary(echo)), fallback=bare)
    answer = httpx.put(f"http://127.0.0.1:{port}/rest/a%20b?q=1", content=b"body")
    assert (answer.status_code, answer.text) == (201, "PUT /rest/a b q=1 body!")
    assert answer.headers["x-rest"] == "1"
    assert httpx.post(f"http://127.0.0.1:{port}/{SERVICE}/Echo", json="a").json() == "a"


@pytest.mark.parametrize("http2", [False, True])
def test_headers_of_the_connection_are_the_servers_own(http2: bool, serve: Serve) -> None:
    own = [b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"]

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        headers = [(name, b"x") for name in own] + [(b"x-rest", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"whole"})

    port = serve(AsyncEcho(unary(echo)), fallback=application)
    with httpx.Client(http1=not http2, http2=http2) as client:
        answer = client.get(f"http://127.0.0.1:{port}/")
    assert (answer.text, answer.headers["x-rest"]) == ("whole", "1")
    # The server may well set one itself, but none to what the application said.
    assert [name for name in own if answer.headers.get(name.decode()) == "x"] == []


@pytest.mark.parametrize("path", [f"/{SERVICE}/Nothing", "/another.Service/Nothing"])
def test_grpc_for_an_unknown_method_is_answered_in_grpc(path: str, serve: Serve, channel: Channel) -> None:
    port = serve(AsyncEcho(unary(echo)), fallback=bare)
    call: Any = channel(port).unary_unary(path)
    with pytest.raises(grpc.RpcError) as caught:
        call(b"")
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert f"there is no method {path}" in error.details()
    web = {"content-type": "application/grpc-web+proto"}
    answer = httpx.post(f"http://127.0.0.1:{port}{path}", content=b"", headers=web)
    assert answer.headers["content-type"] == web["content-type"]
    assert answer.content.partition(b"grpc-status")[2].lstrip(b": ").startswith(b"12")


def test_an_unknown_method_of_a_service_is_answered_in_connect(serve: Serve) -> None:
    port = serve(AsyncEcho(unary(echo)), fallback=bare)
    url = f"http://127.0.0.1:{port}/{SERVICE}/Nothing"
    unary_call = httpx.post(url, json="a")
    assert (unary_call.status_code, unary_call.json()["code"]) == (404, "unimplemented")
    by_get = httpx.get(f"{url}?encoding=json&message=%22a%22")
    assert (by_get.status_code, by_get.json()["code"]) == (404, "unimplemented")
    stream = httpx.post(url, content=b"", headers={"content-type": "application/connect+json"})
    assert stream.status_code == 200
    assert b'"unimplemented"' in stream.content
    no_call = httpx.put(url, content=b"a")
    assert (no_call.status_code, "no such method" in no_call.text) == (404, True)


@pytest.mark.parametrize("path", ["/another.Service/Echo", "/", "/Echo", f"/{SERVICE}", f"/{SERVICE}/a/b"])
def test_what_is_beside_the_services_is_the_applications(path: str, serve: Serve) -> None:
    port = serve(AsyncEcho(unary(echo)), fallback=bare)
    for content_type in ("application/json", "application/connect+json"):
        answer = httpx.post(
            f"http://127.0.0.1:{port}{path}", content=b'"a"', headers={"content-type": content_type}
        )
        assert (answer.status_code, answer.text) == (201, f'POST {path}  "a"!')


def test_websockets_are_refused_clearly(serve: Serve) -> None:
    port = serve(AsyncEcho(unary(echo)), fallback=bare)
    with (
        pytest.raises(InvalidStatus) as refused,
        websockets.sync.client.connect(f"ws://127.0.0.1:{port}/chat", proxy=None),
    ):
        pass
    assert refused.value.response.status_code == 501
    assert b"no WebSockets" in refused.value.response.body


def test_a_client_who_goes_away_is_told_to_the_application_which_goes_on(serve: Serve) -> None:
    told: list[Any] = []
    began, over = threading.Event(), threading.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await receive()
        began.set()
        told.append((await receive())["type"])
        # What is half done is finished: nobody has cancelled this.
        await asyncio.sleep(0)
        try:
            await send({"type": "http.response.start", "status": 200})
        except OSError as error:
            told.append(type(error).__name__)
        over.set()

    port = serve(AsyncEcho(unary(echo)), fallback=application)
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"http://127.0.0.1:{port}/", timeout=0.2)
    assert began.is_set()
    assert over.wait(10)
    assert told == ["http.disconnect", "OSError"]


def test_a_listener_for_the_disconnect_ends_with_the_answer(serve: Serve) -> None:
    told: list[str] = []
    over = threading.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await receive()
        listening = asyncio.ensure_future(receive())
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})
        told.append((await listening)["type"])
        over.set()

    port = serve(AsyncEcho(unary(echo)), fallback=application)
    assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 204
    assert over.wait(10)
    assert told == ["http.disconnect"]


@pytest.mark.parametrize("raised", [ZeroDivisionError, SystemExit, None])
def test_an_application_that_fails_before_its_answer_is_a_500(
    raised: type[BaseException] | None, serve: Serve
) -> None:
    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        assert scope["type"] == "http"
        if raised is not None:
            raise raised("it failed")

    port = serve(AsyncEcho(unary(echo)), fallback=application)
    for _ in range(2):
        assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 500
    assert httpx.post(f"http://127.0.0.1:{port}/{SERVICE}/Echo", json="a").json() == "a"


@pytest.mark.parametrize("http2", [False, True])
def test_an_answer_that_breaks_off_does_not_look_complete(http2: bool, serve: Serve) -> None:
    async def application(scope: Any, _receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"a beginning", "more_body": True})
        raise ZeroDivisionError

    port = serve(AsyncEcho(unary(echo)), fallback=application)
    with (
        httpx.Client(http1=not http2, http2=http2) as client,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        client.get(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("in_pieces", [False, True])
def test_an_answer_that_is_not_as_long_as_it_says_harms_no_other_and_is_logged(
    in_pieces: bool, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def application(scope: Any, _receive: Any, send: Any) -> None:
        length = b"10" if scope["path"] == "/short" else b"2"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        if in_pieces:
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"bc" if in_pieces else b"abc"})

    port = serve(AsyncEcho(unary(echo)), fallback=application)
    for http2 in (False, True):
        with httpx.Client(http1=not http2, http2=http2) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                client.get(f"http://127.0.0.1:{port}/short")
            for _ in range(2):
                assert client.get(f"http://127.0.0.1:{port}/long").content == b"ab"
    # An answer is out before it is logged; by the next request of a connection it is.
    logged = [record.getMessage() for record in caplog.records]
    for path, announced in (("/short", 10), ("/long", 2)):
        assert (
            f"the ASGI application answered GET {path} with a wrong content-length: "
            f"the head announced {announced} bytes of content, and 3 were given"
        ) in logged


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("http2", [False, True])
def test_content_for_a_status_that_has_none_is_left_out(http2: bool, status: int, serve: Serve) -> None:
    async def application(scope: Any, _receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body", "body": b"too much"})

    port = serve(AsyncEcho(unary(echo)), fallback=application)
    with httpx.Client(http1=not http2, http2=http2) as client:
        for _ in range(2):
            answer = client.get(f"http://127.0.0.1:{port}/")
            assert (answer.status_code, answer.content) == (status, b"")


def test_requests_beyond_the_limit_are_refused_at_once(serve: Serve) -> None:
    began, go_on = threading.Event(), threading.Event()

    async def application(scope: Any, _receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        began.set()
        await asyncio.to_thread(go_on.wait, 10)
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    port = serve(AsyncEcho(unary(echo)), fallback=application, limits=Limits(max_concurrent_calls=1))
    answers: list[int] = []
    first = threading.Thread(
        target=lambda: answers.append(httpx.get(f"http://127.0.0.1:{port}/").status_code)
    )
    first.start()
    assert began.wait(10)
    refused = httpx.get(f"http://127.0.0.1:{port}/")
    assert (refused.status_code, "try again later" in refused.text) == (503, True)
    go_on.set()
    first.join()
    assert answers == [204]


def test_without_an_application_behind_plain_http_is_not_found(serve: Serve) -> None:
    port = serve(AsyncEcho(unary(echo)))
    answer = httpx.get(f"http://127.0.0.1:{port}/")
    assert (answer.status_code, "no such method" in answer.text) == (404, True)
