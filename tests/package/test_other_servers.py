"""The applications under other people's servers, and mounted in other people's frameworks."""

import asyncio
import io
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import grpc
import httpx
import pytest
import websockets.sync.client
from google.protobuf.wrappers_pb2 import StringValue
from landbridge._request_target import mounted
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.method import StreamType
from landbridge.request import RequestContext
from websockets.exceptions import InvalidStatus

from tests.package import elsewhere
from tests.package.certificates import Authority, dns
from tests.package.conftest import Serve
from tests.package.echo import SERVICE, AsyncEcho, SyncEcho, stub, text, unary
from tests.running.paths import ROOT
from tests.running.processes import running

JSON = [(b"content-type", b"application/json")]
STREAM = {"content-type": "application/connect+json"}

COMMANDS = {
    "uvicorn": ("uvicorn", "--fd={fd}", "--loop=asyncio", "--log-level=warning"),
    "uvicorn, uvloop": ("uvicorn", "--fd={fd}", "--loop=uvloop", "--log-level=warning"),
    "hypercorn": ("hypercorn", "--bind=fd://{fd}", "--worker-class=asyncio"),
    "hypercorn, trio": ("hypercorn", "--bind=fd://{fd}", "--worker-class=trio"),
    "gunicorn": ("gunicorn", "--bind=fd://{fd}", "--workers=1"),
    "gunicorn, threads": ("gunicorn", "--bind=fd://{fd}", "--workers=1", "--threads=4"),
}
"""How each is started on a socket that listens already."""

ASGI = ["uvicorn", "uvicorn, uvloop", "hypercorn", "hypercorn, trio"]
WSGI = ["gunicorn", "gunicorn, threads"]


@contextmanager
def served(server: str, application: str, *flags: str) -> Iterator[int]:
    """Run the server with `application` of `elsewhere`; gives the port."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        fd = listening.fileno()
        parts = [part.format(fd=fd) for part in COMMANDS[server]]
        command = [sys.executable, "-m", *parts, *flags, f"tests.package.elsewhere:{application}"]
        with running(command, env={"PYTHONPATH": f"{ROOT / 'python'}:{ROOT}"}, pass_fds=(fd,)):
            # Who connects before it accepts waits in the queue of the socket.
            yield listening.getsockname()[1]


def enveloped(message: bytes) -> bytes:
    """A stream of one message."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def check_connect(client: httpx.Client, url: str) -> None:
    """Unary calls, errors and a stream in the Connect protocol."""
    answer = client.post(f"{url}/{SERVICE}/Echo", json="a", headers={"connect-timeout-ms": "30000"})
    assert (answer.status_code, answer.json(), answer.headers["trailer-x-trailer"]) == (200, "a", "1")
    failed = client.post(f"{url}/{SERVICE}/Echo", json="fail")
    assert (failed.status_code, failed.json()) == (404, {"code": "not_found", "message": "no such thing"})
    counted = client.post(f"{url}/{SERVICE}/Count", content=enveloped(b'"xy"'), headers=STREAM)
    assert counted.content == enveloped(b'"x"') + enveloped(b'"y"') + b"\2" + enveloped(b"{}")[1:]
    unknown = client.post(f"{url}/{SERVICE}/Nothing", json="a")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unimplemented")
    unary_form = client.post(f"{url}/{SERVICE}/Count", json="a")
    assert (unary_form.status_code, unary_form.json()["code"]) == (415, "unimplemented")
    assert "application/connect+json" in unary_form.headers["accept-post"]
    stream_form = client.post(f"{url}/{SERVICE}/Echo", content=enveloped(b'"a"'), headers=STREAM)
    assert (stream_form.status_code, stream_form.json()["code"]) == (415, "unimplemented")
    assert "application/json" in stream_form.headers["accept-post"]
    assert client.put(f"{url}/{SERVICE}/Echo").headers["allow"] == "POST"


def check_web(client: httpx.Client, url: str) -> None:
    """A call in gRPC-Web, which needs no trailers."""
    web = {"content-type": "application/grpc-web+proto"}
    answer = client.post(f"{url}/{SERVICE}/Echo", content=enveloped(b"\x0a\x01c"), headers=web)
    assert answer.content.startswith(enveloped(b"\x0a\x01c") + b"\x80")
    assert b"grpc-status: 0" in answer.content.replace(b"grpc-status:0", b"grpc-status: 0")


@pytest.mark.parametrize("server", ASGI)
def test_an_asgi_server_serves_an_application(server: str) -> None:
    with served(server, "asgi") as port, httpx.Client(timeout=30) as client:
        url = f"http://127.0.0.1:{port}"
        check_connect(client, url)
        check_web(client, url)
        late = client.post(f"{url}/{SERVICE}/Slow", json="a", headers={"connect-timeout-ms": "100"})
        assert (late.status_code, late.json()["code"]) == (504, "deadline_exceeded")
        assert client.post(f"{url}/{SERVICE}/Look", json="").json() == "slow"


@pytest.mark.parametrize("server", ASGI)
def test_blocking_handlers_of_an_asgi_server_run_on_threads(server: str) -> None:
    with served(server, "asgi") as port, httpx.Client(timeout=30) as client:
        url = f"http://127.0.0.1:{port}/{SERVICE}"
        assert client.post(f"{url}/Blocking", json="a").json() == "a"
        failed = client.post(f"{url}/Blocking", json="fail")
        assert (failed.status_code, failed.json()["code"]) == (404, "not_found")
        end = b"\2" + enveloped(b"{}")[1:]
        both = enveloped(b'"x"') + enveloped(b'"y"')
        for name, sent, answer in (
            ("Count", enveloped(b'"xy"'), both),
            ("Sum", both, enveloped(b'"xy"')),
            ("Back", both, both),
        ):
            assert client.post(f"{url}/Blocking{name}", content=sent, headers=STREAM).content == answer + end
        late = client.post(
            f"{url}/BlockingSlow", content=both, headers=STREAM | {"connect-timeout-ms": "100"}
        )
        assert json.loads(late.content[5:])["error"]["code"] == "deadline_exceeded"
        while client.post(f"{url}/Look", json="").json() != "slow":
            pass


HOSTS = {
    "example.com": "example.com:80",
    "example.com:": "example.com:80",
    "example.com:81": "example.com:81",
    "[::1]": "[::1]:80",
    "[::1]:81": "[::1]:81",
}
"""What callers name, and what is to be known of it."""


def check_addresses(url: str) -> None:
    """Both ends of a call, as its handler is told."""
    with httpx.Client(timeout=30) as client:
        for host, told in HOSTS.items():
            answer = client.post(f"{url}/{SERVICE}/Where", json="", headers={"host": host})
            caller, server = answer.json().split()
            assert (caller.startswith("127.0.0.1:"), server) == (True, told)


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn, trio", "gunicorn"])
def test_a_call_knows_which_host_was_asked_for_and_who_asked(server: str) -> None:
    with served(server, "wsgi" if server in WSGI else "asgi") as port:
        check_addresses(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("application", [elsewhere.asgi, elsewhere.wsgi], ids=["asynchronous", "blocking"])
def test_a_call_of_the_own_server_knows_which_host_was_asked_for_and_who_asked(
    application: Any, serve: Serve
) -> None:
    check_addresses(f"http://127.0.0.1:{serve(application)}")


def test_a_call_from_an_ipv6_address_has_it_in_brackets() -> None:
    def told(**scope: Any) -> Any:
        requests = [{"type": "http.request", "body": b'""', "more_body": False}]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if not requests:
                await anyio.sleep_forever()
            return requests.pop()

        async def send(event: dict[str, Any]) -> None:
            sent.append(event)

        call = {"type": "http", "method": "POST", "path": f"/{SERVICE}/Where", "headers": JSON}
        asyncio.run(elsewhere.asgi(call | scope, receive, send))
        return json.loads(sent[1]["body"])

    assert told(client=("2001:db8::1", 5000), server=("::1", 81)) == "[2001:db8::1]:5000 [::1]:81"
    assert told(client=None, server=("/run/app.sock", None)) == "None /run/app.sock"
    assert told(scheme="https", headers=[*JSON, (b"host", b"[::1]")]) == "None [::1]:443"


def test_a_call_from_an_ipv6_address_has_it_in_brackets_under_wsgi() -> None:
    def told(**environ: str) -> Any:
        call = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": f"/{SERVICE}/Where",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": "2",
            "SERVER_NAME": "::1",
            "SERVER_PORT": "81",
            "wsgi.input": io.BytesIO(b'""'),
        }
        return json.loads(b"".join(elsewhere.wsgi(call | environ, lambda *_: None)))

    assert told(REMOTE_ADDR="2001:db8::1", REMOTE_PORT="5000") == "[2001:db8::1]:5000 [::1]:81"
    assert told(**{"HTTP_HOST": "[::1]", "wsgi.url_scheme": "https"}) == "None [::1]:443"


async def post(application: AsyncEcho, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Make a unary call with 50 ms, as an ASGI server whose client stays."""
    requests = [{"type": "http.request", "body": b'"a"', "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not requests:
            await anyio.sleep_forever()
        return requests.pop()

    headers = [(b"content-type", b"application/json"), (b"connect-timeout-ms", b"50")]
    scope = {"type": "http", "method": "POST", "path": f"/{SERVICE}/Echo", "headers": headers}
    await application(scope, receive, send)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_an_answer_that_is_leaving_when_the_deadline_passes_leaves_whole(loop: str) -> None:
    sent: list[dict[str, Any]] = []

    async def send(event: dict[str, Any]) -> None:
        # As a server does whose client is slow to read.
        await anyio.sleep(0.1)
        sent.append(event)

    anyio.run(post, elsewhere.asgi, send, backend=loop)
    assert [event["type"] for event in sent] == ["http.response.start", "http.response.body"]
    assert (sent[0]["status"], sent[1]["body"], sent[1]["more_body"]) == (200, b'"a"', False)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_handler_that_its_deadline_cuts_is_let_do_what_it_does_on_its_way_out(loop: str) -> None:
    done: list[str] = []

    async def handler(_request: StringValue, _ctx: RequestContext[Any, Any]) -> StringValue:
        try:
            await anyio.sleep(60)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.05)
                done.append("cleaned")
        raise AssertionError

    sent: list[dict[str, Any]] = []

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    anyio.run(post, AsyncEcho(unary(handler)), send, backend=loop)
    assert done == ["cleaned"]
    assert (sent[0]["status"], json.loads(sent[1]["body"])["code"]) == (504, "deadline_exceeded")


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_an_answer_that_nobody_takes_does_not_outlive_its_deadline_for_long(loop: str) -> None:
    async def send(_event: dict[str, Any]) -> None:
        await anyio.sleep_forever()

    # That it comes back at all is what is asked for.
    anyio.run(post, elsewhere.asgi, send, backend=loop)


@pytest.mark.parametrize("server", WSGI)
def test_a_wsgi_server_serves_an_application(server: str) -> None:
    with served(server, "wsgi") as port, httpx.Client(timeout=30) as client:
        check_connect(client, f"http://127.0.0.1:{port}")
        check_web(client, f"http://127.0.0.1:{port}")


def test_a_process_of_wsgi_brings_in_nothing_of_asgi() -> None:
    program = """
import sys
import landbridge._wsgi
needless = {"asyncio", "landbridge._asgi", "landbridge._operations.run_async"}
assert not needless & set(sys.modules), needless & set(sys.modules)
"""
    path = {"PYTHONPATH": str(ROOT / "python")}
    subprocess.run([sys.executable, "-c", program], env=path, check=True, timeout=60)


@pytest.mark.parametrize("server", WSGI)
def test_what_a_wsgi_handler_answers_after_the_deadline_is_no_answer(server: str) -> None:
    timeout = {"connect-timeout-ms": "200"}
    with served(server, "wsgi") as port, httpx.Client(timeout=30) as client:
        url = f"http://127.0.0.1:{port}/{SERVICE}"
        # It is up: no time is lost to that.
        assert client.post(f"{url}/Echo", json="a").json() == "a"
        answer = client.post(f"{url}/Late", json="a", headers=timeout)
        assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
        stream = client.post(f"{url}/LateCount", content=enveloped(b'"a"'), headers=timeout | STREAM)
        first, _, end = stream.content.partition(b"\2")
        assert first == enveloped(b'"a"')
        assert json.loads(end[4:])["error"]["code"] == "deadline_exceeded"


@pytest.mark.parametrize("server", ["own", "WSGI"])
def test_a_blocking_handler_gets_no_more_of_a_request_whose_deadline_has_passed(
    server: str, serve: Serve
) -> None:
    told: list[Any] = []
    ended = threading.Event()

    def total(requests: Iterator[StringValue], ctx: RequestContext[Any, Any]) -> StringValue:
        told.append(next(requests).value)
        while not ctx.is_cancelled:
            time.sleep(0.01)
        try:
            told.append(next(requests).value)
        except ConnectError as late:
            told.append((late.code, late.message))
        finally:
            ended.set()
        return text("too late")

    application = SyncEcho({"Sum": (StreamType.CLIENT_STREAM, total)})
    own = server == "own"
    url = f"http://127.0.0.1:{serve(application)}" if own else "http://in-memory"
    with httpx.Client(timeout=30, transport=None if own else httpx.WSGITransport(application)) as client:
        answer = client.post(
            f"{url}/{SERVICE}/Sum",
            content=enveloped(b'"a"') + enveloped(b'"b"'),
            headers=STREAM | {"connect-timeout-ms": "200"},
        )
    assert ended.wait(20)
    assert told == ["a", (Code.DEADLINE_EXCEEDED, "the caller's deadline has passed")]
    error = json.loads(answer.content[5:])["error"]
    message = "the deadline has passed before the call was answered"
    assert error == {"code": "deadline_exceeded", "message": message}


@pytest.mark.parametrize("server", WSGI)
def test_a_handler_that_exits_fails_its_call_and_no_more(server: str) -> None:
    with served(server, "wsgi") as port, httpx.Client(timeout=30) as client:
        url = f"http://127.0.0.1:{port}/{SERVICE}/Echo"
        before = client.post(url, json="who").json()
        failed = client.post(url, json="exit")
        assert (failed.status_code, failed.json()["code"]) == (500, "unknown")
        assert "SystemExit" not in failed.text
        assert client.post(url, json="who").json() == before


def test_gunicorn_ends_a_worker_that_hangs_by_a_signal_and_replaces_it() -> None:
    with served("gunicorn", "wsgi", "--timeout=1") as port:
        url = f"http://127.0.0.1:{port}/{SERVICE}/Echo"
        before = httpx.post(url, json="who", timeout=30).json()
        with suppress(httpx.TransportError):
            httpx.post(url, json="hang", timeout=30)
        assert httpx.post(url, json="who", timeout=30).json() != before


@pytest.mark.parametrize("server", ASGI)
def test_a_caller_who_goes_away_cancels_the_handler(server: str) -> None:
    with served(server, "asgi") as port:
        url = f"http://127.0.0.1:{port}/{SERVICE}"
        with httpx.Client() as impatient:
            # Its server is up: what follows waits for nothing else.
            assert impatient.post(f"{url}/Look", json="", timeout=30).json() == ""
            with pytest.raises(httpx.ReadTimeout):
                impatient.post(f"{url}/Slow", json="a", timeout=0.3)
        with httpx.Client(timeout=30) as client:
            # The server sees the connection close some time soon.
            while client.post(f"{url}/Look", json="").json() != "slow":
                pass


@pytest.mark.parametrize("server", ["uvicorn", "uvicorn, uvloop", "hypercorn"])
def test_a_handler_that_waits_for_a_cancelled_task_fails_its_call(server: str) -> None:
    with served(server, "asgi") as port, httpx.Client(timeout=30) as client:
        url = f"http://127.0.0.1:{port}/{SERVICE}"
        failed = client.post(f"{url}/Echo", json="cancelled")
        assert (failed.status_code, failed.json()["code"]) == (499, "canceled")
        stream = client.post(f"{url}/Count", content=enveloped(b'"x!"'), headers=STREAM)
        first, _, end = stream.content.partition(b"\2")
        assert first == enveloped(b'"x"')
        assert json.loads(end[4:])["error"]["code"] == "canceled"


@pytest.mark.parametrize("server", ["hypercorn", "hypercorn, trio"])
def test_grpc_works_where_the_server_has_trailers(server: str, tmp_path: Path) -> None:
    authority = Authority()
    identity = authority.identity(dns("localhost"))
    (tmp_path / "cert.pem").write_bytes(identity.certificate)
    (tmp_path / "key.pem").write_bytes(identity.key)
    tls = (f"--certfile={tmp_path / 'cert.pem'}", f"--keyfile={tmp_path / 'key.pem'}")
    credentials = grpc.ssl_channel_credentials(authority.certificate)
    with (
        served(server, "asgi", *tls) as port,
        grpc.secure_channel(f"localhost:{port}", credentials) as channel,
    ):
        message, call = stub(channel).with_call(text("a"), timeout=30, wait_for_ready=True)
        assert message.value == "a"
        assert ("x-trailer", "1") in call.trailing_metadata()
        with pytest.raises(grpc.RpcError) as caught:
            stub(channel)(text("fail"), timeout=30)
        error: Any = caught.value
        assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing")
        counted = stub(channel, "Count", "unary_stream")(text("xyz"), timeout=30)
        assert [message.value for message in counted] == ["x", "y", "z"]
        there = stub(channel, "Back", "stream_stream")(iter([text("a"), text("b")]), timeout=30)
        assert [message.value for message in there] == ["a", "b"]


@pytest.mark.parametrize(
    ("path", "header"), [("Nothing", (b"te", b"trailers")), ("Echo", (b"grpc-encoding", b"nonsense"))]
)
def test_a_refusal_in_grpc_has_its_end_in_trailers(path: str, header: tuple[bytes, bytes]) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("it is refused by its head")

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    scope = {
        "type": "http",
        "method": "POST",
        "http_version": "2",
        "path": f"/{SERVICE}/{path}",
        "headers": [(b"content-type", b"application/grpc"), header],
        "extensions": {"http.response.trailers": {}},
    }
    asyncio.run(elsewhere.asgi(scope, receive, send))
    start, body, end = sent
    assert (start["status"], start["trailers"]) == (200, True)
    assert b"grpc-status" not in dict(start["headers"])
    assert (body["body"], body["more_body"]) == (b"", False)
    assert (end["type"], dict(end["headers"])[b"grpc-status"]) == ("http.response.trailers", b"12")


@pytest.fixture
def granian(tmp_path: Path) -> Any:
    """Run granian with an application of `elsewhere`; gives the path of its socket."""

    @contextmanager
    def run(application: str, interface: str) -> Iterator[Path]:
        path = tmp_path / interface
        command = [
            str(Path(sys.executable).parent / "granian"),
            f"--interface={interface}",
            f"--uds={path}",
            f"tests.package.elsewhere:{application}",
        ]
        environment = {"PYTHONPATH": f"{ROOT / 'python'}:{ROOT}"}
        shell = ["sh", "-c", 'exec "$@" 2>&1', "sh", *command]
        with running(shell, env=environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            with process.stdout as said:
                next(line for line in said if b"Started worker" in line)
                yield path

    return run


def test_granian_serves_both_kinds_and_says_that_it_has_no_trailers_for_grpc(granian: Any) -> None:
    for application in ("asgi", "wsgi"):
        with granian(application, application) as path:
            with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), timeout=30) as client:
                check_connect(client, "http://localhost")
                check_web(client, "http://localhost")
            options = [("grpc.default_authority", "localhost")]
            channel = grpc.insecure_channel(f"unix:{path}", options)
            with channel, pytest.raises(grpc.RpcError) as caught:
                stub(channel)(text("a"), timeout=30)
            error: Any = caught.value
            assert "status: 501" in error.details()
            asked = [
                "--http2-prior-knowledge",
                "--unix-socket",
                str(path),
                f"http://localhost/{SERVICE}/Echo",
            ]
            grpc_type = ["-H", "content-type: application/grpc", "--data", ""]
            said = subprocess.run(["curl", "-s", *grpc_type, *asked], capture_output=True, check=True)
            assert b"gRPC needs HTTP trailers, which this server does not send" in said.stdout


@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])
def test_grpc_over_http1_is_refused_clearly(server: str) -> None:
    with served(server, "asgi" if server == "uvicorn" else "wsgi") as port:
        answer = httpx.post(
            f"http://127.0.0.1:{port}/{SERVICE}/Echo",
            content=enveloped(b""),
            headers={"content-type": "application/grpc"},
            timeout=30,
        )
    assert answer.status_code == 505


def test_a_websocket_is_refused_clearly() -> None:
    with (
        served("uvicorn", "asgi", "--ws=websockets-sansio") as port,
        pytest.raises(InvalidStatus) as refused,
        websockets.sync.client.connect(f"ws://127.0.0.1:{port}/{SERVICE}/Echo", proxy=None),
    ):
        pass
    assert refused.value.response.status_code == 501
    assert b"not by WebSocket" in refused.value.response.body


@pytest.mark.parametrize(
    ("application", "prefix", "page", "said"),
    [
        ("starlette", "", None, ""),
        ("starlette", "/rpc", None, ""),
        ("starlette", "/api", None, ""),
        ("fastapi", "", "/rest", '"rest"'),
        ("django_asgi", "", "/page", "django"),
    ],
)
def test_an_application_is_mounted_in_a_framework(
    application: str, prefix: str, page: str | None, said: str
) -> None:
    with served("uvicorn", application) as port, httpx.Client(timeout=30) as client:
        url = f"http://127.0.0.1:{port}"
        check_connect(client, url + prefix)
        if page is not None:
            assert client.get(url + page).text == said


def test_an_application_is_mounted_in_a_framework_of_wsgi() -> None:
    with served("gunicorn", "django_wsgi") as port, httpx.Client(timeout=30) as client:
        check_connect(client, f"http://127.0.0.1:{port}")
        assert client.get(f"http://127.0.0.1:{port}/page").text == "django"


def test_an_application_is_mounted_below_a_mount_of_wsgi() -> None:
    with served("gunicorn", "below_wsgi") as port, httpx.Client(timeout=30) as client:
        url = f"http://127.0.0.1:{port}/api"
        check_connect(client, url)
        unknown = client.post(f"{url}/{SERVICE}/An%C3%A4other%20%3Fone", json="a")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "unimplemented")
        assert f"/api/{SERVICE}/An%C3%A4other%20%3Fone" in unknown.json()["message"]


@pytest.mark.parametrize(
    ("root", "path", "is_found"),
    [
        ("", f"/{SERVICE}/Echo", True),
        ("/api", f"/{SERVICE}/Echo", True),
        ("/api", f"/api/{SERVICE}/Echo", True),
        (f"/api/{SERVICE}", "/Echo", True),
        (f"/api/{SERVICE}", f"/api/{SERVICE}/Echo", True),
        # A mount explains what stands before; nothing else does.
        ("", f"/api/{SERVICE}/Echo", False),
        ("/api", f"/v1/api/{SERVICE}/Echo", False),
        ("/ap", f"/api/{SERVICE}/Echo", False),
        ("/api", "/Echo", False),
    ],
)
def test_only_the_mount_may_stand_before_the_path(root: str, path: str, is_found: bool) -> None:
    assert (mounted(elsewhere.asgi._operations, root, path) is not None) == is_found
