"""Calls on the native server: what handlers may rely on, asked by grpcio and plain HTTP."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import StringValue
from grpc_status import rpc_status
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.method import StreamType
from landbridge.protocol import ProtocolType
from landbridge.request import RequestContext
from landbridge.serving import Limits

from tests.package.conftest import Serve
from tests.package.echo import SERVICE, AsyncEcho, SyncEcho, stub, text, unary

Channel = Callable[[int], grpc.Channel]
Context = RequestContext[Any, Any]


async def echo(request: StringValue, _ctx: Context) -> StringValue:
    """Answer with the request."""
    return request


def echo_sync(request: StringValue, _ctx: Context) -> StringValue:
    """Answer with the request."""
    return request


def failure(call: Callable[[], Any]) -> grpc.RpcError:
    """The error that a call ends with."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


def test_one_port_answers_all_three_protocols_in_both_http_versions(serve: Serve, channel: Channel) -> None:
    port = serve(AsyncEcho(unary(echo)))
    assert stub(channel(port))(text("a")).value == "a"
    for http2 in (False, True):
        with httpx.Client(http1=not http2, http2=http2, base_url=f"http://127.0.0.1:{port}") as client:
            answer = client.post(f"/{SERVICE}/Echo", json="b")
            assert answer.json() == "b"
            web = client.post(
                f"/{SERVICE}/Echo",
                content=b"\0\0\0\0\x03\x0a\x01c",
                headers={"content-type": "application/grpc-web"},
            )
            assert web.content.startswith(b"\0\0\0\0\x03\x0a\x01c\x80")
            assert b"grpc-status: 0" in web.content or b"grpc-status:0" in web.content


@pytest.mark.parametrize("application", [AsyncEcho, SyncEcho])
def test_errors_reach_the_caller_with_code_message_details_and_trailers(
    application: Any, serve: Serve, channel: Channel
) -> None:
    def fail(_request: StringValue, ctx: Context) -> StringValue:
        ctx.response_trailers.add("x-why", "so")
        raise ConnectError(Code.NOT_FOUND, "no such thing", [Duration(seconds=3)])

    async def fail_async(request: StringValue, ctx: Context) -> StringValue:
        return fail(request, ctx)

    port = serve(application(unary(fail_async if application is AsyncEcho else fail)))
    error: Any = failure(lambda: stub(channel(port))(text("a")))
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing")
    assert ("x-why", "so") in error.trailing_metadata()
    status = rpc_status.from_call(error)
    assert status is not None
    assert Duration.FromString(status.details[0].value) == Duration(seconds=3)
    answer = httpx.post(f"http://127.0.0.1:{port}/{SERVICE}/Echo", json="a")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    assert answer.headers["trailer-x-why"] == "so"


@pytest.mark.parametrize("application", [AsyncEcho, SyncEcho])
@pytest.mark.parametrize("kind", [StreamType.UNARY, StreamType.SERVER_STREAM])
@pytest.mark.parametrize("raised", [ZeroDivisionError, SystemExit, KeyboardInterrupt])
def test_whatever_a_handler_raises_is_unknown_to_the_caller_and_logged_with_its_traceback(
    application: Any,
    kind: StreamType,
    raised: type[BaseException],
    *,
    serve: Serve,
    channel: Channel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail_async(_request: StringValue, _ctx: Context) -> StringValue:
        raise raised("secret")

    async def count_async(request: StringValue, _ctx: Context) -> AsyncIterator[StringValue]:
        yield request
        raise raised("secret")

    def fail(_request: StringValue, _ctx: Context) -> StringValue:
        raise raised("secret")

    def count(request: StringValue, _ctx: Context) -> Iterator[StringValue]:
        yield request
        raise raised("secret")

    handlers: dict[Any, Any] = {
        (AsyncEcho, StreamType.UNARY): fail_async,
        (AsyncEcho, StreamType.SERVER_STREAM): count_async,
        (SyncEcho, StreamType.UNARY): fail,
        (SyncEcho, StreamType.SERVER_STREAM): count,
    }
    # One thread: it has to live on.
    port = serve(application({"Echo": (kind, handlers[application, kind])}), threads=1)
    calls = stub(channel(port), kind="unary_unary" if kind is StreamType.UNARY else "unary_stream")
    with caplog.at_level(logging.ERROR, "landbridge"):
        for _ in range(2):
            error: Any = failure(lambda: list(calls(text("a"))))
            assert error.code() is grpc.StatusCode.UNKNOWN
            assert "secret" not in error.details()
    logged = [record for record in caplog.records if record.name == "landbridge"]
    assert [record.getMessage() for record in logged] == [f"the handler of /{SERVICE}/Echo failed"] * 2
    assert logged[0].exc_info is not None
    assert isinstance(logged[0].exc_info[1], raised)


def test_a_code_or_message_that_is_none_fails_the_call_and_nothing_else(
    serve: Serve, channel: Channel
) -> None:
    mistakes: dict[str, Any] = {
        "message": (lambda: ConnectError(Code.INTERNAL, None), grpc.StatusCode.UNKNOWN),  # type: ignore[arg-type]
        "answer": (lambda: None, grpc.StatusCode.INTERNAL),
    }

    async def fail(request: StringValue, _ctx: Context) -> Any:
        error = mistakes[request.value][0]()
        if error is not None:
            raise error
        return "no message"

    calls = stub(channel(serve(AsyncEcho(unary(fail)))))
    for mistake, (_, code) in mistakes.items():
        error: Any = failure(lambda mistake=mistake: calls(text(mistake), timeout=10))  # type: ignore[misc]
        assert error.code() is code


def test_callers_see_the_text_of_exceptions_where_that_is_asked_for(serve: Serve, channel: Channel) -> None:
    def fail(_request: StringValue, _ctx: Context) -> StringValue:
        raise ZeroDivisionError("what it said")

    port = serve(SyncEcho(unary(fail), show_exceptions=True))
    error: Any = failure(lambda: stub(channel(port))(text("a")))
    assert error.details() == "ZeroDivisionError: what it said"


def test_the_context_tells_of_the_call(serve: Serve, channel: Channel) -> None:
    seen: list[Any] = []

    async def look(request: StringValue, ctx: Context) -> StringValue:
        seen.extend((ctx.protocol, ctx.codec, ctx.http_method, ctx.request_headers["x-tag"], ctx.timeout_ms))
        seen.extend((ctx.server_address, ctx.client_address, ctx.peer.certificates, ctx.is_cancelled))
        seen.append(ctx.method.name)
        return request

    port = serve(AsyncEcho(unary(look)))
    stub(channel(port))(text("a"), timeout=30, metadata=(("x-tag", "1"),))
    protocol, codec, http_method, tag, timeout, server, client, certificates, cancelled, name = seen
    assert (protocol, codec, http_method, tag, name) == (ProtocolType.GRPC, "proto", "POST", "1", "Echo")
    # grpcio rounds up.
    assert 0 < timeout <= 31_000
    assert server == f"127.0.0.1:{port}"
    assert client.startswith("127.0.0.1:")
    assert (certificates, cancelled) == ((), False)


def test_the_head_leaves_before_the_first_message_when_it_is_sent(serve: Serve, channel: Channel) -> None:
    go_on = threading.Event()

    async def wait(_request: StringValue, ctx: Context) -> AsyncIterator[StringValue]:
        ctx.response_headers["x-early"] = "1"
        await ctx.send_headers()
        await asyncio.to_thread(go_on.wait, 10)
        yield text("late")

    port = serve(AsyncEcho({"Echo": (StreamType.SERVER_STREAM, wait)}))
    call = stub(channel(port), kind="unary_stream")(text("a"))
    assert ("x-early", "1") in call.initial_metadata()
    go_on.set()
    assert [message.value for message in call] == ["late"]


def test_a_caller_who_goes_away_cancels_the_task(serve: Serve, channel: Channel) -> None:
    began, ended, done = threading.Event(), threading.Event(), threading.Event()

    async def wait(request: StringValue, ctx: Context) -> StringValue:
        ctx.on_done(done.set)
        began.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            ended.set()
            raise
        return request

    call = stub(channel(serve(AsyncEcho(unary(wait))))).future(text("a"))
    assert began.wait(10)
    call.cancel()
    assert ended.wait(10)
    assert done.wait(10)


def test_a_caller_who_goes_away_is_seen_by_a_blocking_handler(serve: Serve, channel: Channel) -> None:
    began, ended = threading.Event(), threading.Event()
    seen: list[Any] = []

    def wait(request: Iterator[StringValue], ctx: Context) -> Iterator[StringValue]:
        began.set()
        try:
            yield from request
        except ConnectError as error:
            seen.extend((error.code, ctx.is_cancelled))
            raise
        finally:
            ended.set()

    port = serve(SyncEcho({"Echo": (StreamType.BIDI_STREAM, wait)}))
    hold = threading.Event()

    def requests() -> Iterator[StringValue]:
        yield text("a")
        hold.wait(10)

    call = stub(channel(port), kind="stream_stream")(requests())
    assert next(call).value == "a"
    call.cancel()
    assert ended.wait(10)
    hold.set()
    assert seen == [Code.CANCELED, True]


@pytest.mark.parametrize("http2", [False, True])
def test_a_deadline_ends_the_call_and_cancels_the_task(http2: bool, serve: Serve) -> None:
    cancelled = threading.Event()

    async def wait(request: StringValue, _ctx: Context) -> StringValue:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return request

    port = serve(AsyncEcho(unary(wait)))
    with httpx.Client(http1=not http2, http2=http2) as client:
        url = f"http://127.0.0.1:{port}/{SERVICE}/Echo"
        answer = client.post(url, json="a", headers={"connect-timeout-ms": "50"})
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
    assert cancelled.wait(10)


def test_a_handler_runs_as_a_task_with_context_variables_of_its_own(serve: Serve, channel: Channel) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    async def look(request: StringValue, _ctx: Context) -> StringValue:
        assert asyncio.current_task() is not None
        before = variable.get()
        variable.set(request.value)
        await asyncio.sleep(0)
        return text(f"{before} {variable.get()}")

    calls = stub(channel(serve(AsyncEcho(unary(look)))))
    assert [calls(text(name)).value for name in "ab"] == ["unset a", "unset b"]


def test_a_message_beyond_the_limit_is_refused_and_the_connection_goes_on(
    serve: Serve, channel: Channel
) -> None:
    calls = stub(channel(serve(AsyncEcho(unary(echo), read_max_bytes=100))))
    error: Any = failure(lambda: calls(text("x" * 200)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert calls(text("x")).value == "x"


def test_a_message_that_cannot_be_read_is_the_callers_mistake(serve: Serve) -> None:
    port = serve(AsyncEcho(unary(echo)))
    answer = httpx.post(f"http://127.0.0.1:{port}/{SERVICE}/Echo", json={"a": 1})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")


def test_calls_beyond_the_limit_are_refused_at_once(serve: Serve, channel: Channel) -> None:
    began, go_on = threading.Event(), threading.Event()

    async def wait(request: StringValue, _ctx: Context) -> StringValue:
        began.set()
        await asyncio.to_thread(go_on.wait, 10)
        return request

    calls = stub(channel(serve(AsyncEcho(unary(wait)), limits=Limits(max_concurrent_calls=1))))
    first = calls.future(text("a"))
    assert began.wait(10)
    error: Any = failure(lambda: calls(text("b")))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    go_on.set()
    assert first.result().value == "a"


def test_a_full_thread_pool_refuses_with_a_clear_error(serve: Serve, channel: Channel) -> None:
    began, go_on = threading.Event(), threading.Event()

    def wait(request: StringValue, _ctx: Context) -> StringValue:
        began.set()
        go_on.wait(10)
        return request

    port = serve(SyncEcho(unary(wait)), threads=1, limits=Limits(max_waiting_calls=0))
    calls = stub(channel(port))
    first = calls.future(text("a"))
    assert began.wait(10)
    error: Any = failure(lambda: calls(text("b")))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "every handler thread" in error.details()
    go_on.set()
    assert first.result().value == "a"


def test_an_unknown_method_is_unimplemented_and_404_in_connect(serve: Serve, channel: Channel) -> None:
    port = serve(AsyncEcho(unary(echo)))
    error: Any = failure(lambda: stub(channel(port), "Nothing")(text("a")))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert httpx.post(f"http://127.0.0.1:{port}/{SERVICE}/Nothing", json="a").status_code == 404


def test_a_header_that_http_cannot_carry_fails_the_call_and_nothing_else(
    serve: Serve, channel: Channel
) -> None:
    async def answer(request: StringValue, ctx: Context) -> StringValue:
        if request.value == "bad":
            ctx.response_headers["x-bad"] = "a\nb"
        return request

    calls = stub(channel(serve(AsyncEcho(unary(answer)))))
    error: Any = failure(lambda: calls(text("bad")))
    assert error.code() is grpc.StatusCode.UNKNOWN
    assert calls(text("good")).value == "good"


def test_several_services_share_a_port_and_one_method_is_served_once(serve: Serve) -> None:
    with pytest.raises(ValueError, match="two applications serve the method"):
        serve(AsyncEcho(unary(echo)), SyncEcho(unary(echo_sync)))
    port = serve(AsyncEcho(unary(echo)), SyncEcho({"Other": (StreamType.UNARY, echo_sync)}))
    for name in ("Echo", "Other"):
        assert httpx.post(f"http://127.0.0.1:{port}/{SERVICE}/{name}", json="a").json() == "a"


def test_a_codec_of_the_applications_own_is_spoken(serve: Serve) -> None:
    class Reversed:
        def name(self) -> str:
            return "reversed"

        def encode(self, message: StringValue) -> bytes:
            return message.value.encode()[::-1]

        def decode(self, data: bytes | bytearray, message_class: type[StringValue]) -> StringValue:
            return message_class(value=bytes(data)[::-1].decode())

    async def answer(request: StringValue, ctx: Context) -> StringValue:
        return text(f"{request.value} in {ctx.codec}")

    port = serve(AsyncEcho(unary(answer), codecs=[Reversed()]))
    url = f"http://127.0.0.1:{port}/{SERVICE}/Echo"
    said = httpx.post(url, content=b"cba", headers={"content-type": "application/reversed"})
    assert said.headers["content-type"] == "application/reversed"
    assert said.content[::-1] == b"abc in reversed"
    refused = httpx.post(url, json="a")
    assert refused.status_code == 415
    assert "application/reversed" in refused.headers["accept-post"]


def test_a_compression_of_the_applications_own_is_used_both_ways(serve: Serve) -> None:
    class Xor:
        def name(self) -> str:
            return "xor"

        def compress(self, data: bytes | bytearray | memoryview) -> bytes:
            return bytes(byte ^ 0x55 for byte in bytes(data))

        def decompress(
            self, data: bytes | bytearray | memoryview, read_max_bytes: int | None = None
        ) -> bytes:
            assert read_max_bytes == 1000
            return self.compress(data)

    port = serve(AsyncEcho(unary(echo), compressions=[Xor()], read_max_bytes=1000))
    headers = {"content-type": "application/json", "content-encoding": "xor", "accept-encoding": "xor"}
    said = httpx.post(
        f"http://127.0.0.1:{port}/{SERVICE}/Echo", content=Xor().compress(b'"hi"'), headers=headers
    )
    assert said.headers["content-encoding"] == "xor"
    assert Xor().compress(said.content) == b'"hi"'


def test_a_handler_chooses_whether_its_answer_is_compressed(serve: Serve) -> None:
    async def answer(request: StringValue, ctx: Context) -> StringValue:
        if request.value == "plain":
            ctx.send_compression = "identity"
        return text("x" * 5000)

    port = serve(AsyncEcho(unary(answer)))
    url = f"http://127.0.0.1:{port}/{SERVICE}/Echo"
    assert httpx.post(url, json="any").headers.get("content-encoding") == "gzip"
    assert "content-encoding" not in httpx.post(url, json="plain").headers
