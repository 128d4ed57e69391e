"""How calls fail: code, message, details, headers and trailers, in all protocols."""

import asyncio
import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from landbridge.client import ConnectClient, ConnectClientSync, ResponseMetadata, Transport
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.method import StreamType
from landbridge.protocol import ProtocolType
from protobuf import wkt

from tests.client.conftest import Serve
from tests.client.echo import COUNT, ECHO, SERVICE, text
from tests.package.echo import AsyncEcho

PROTOCOLS = pytest.mark.parametrize(
    "protocol", list(ProtocolType), ids=lambda protocol: protocol.name.lower()
)
MESSAGE = "no such thing: 50 % é\n\t\x7f 日本"


async def fail(request: StringValue, ctx: Any) -> StringValue:
    """Fail as the request says."""
    ctx.response_headers.add("x-head", "h")
    ctx.response_headers.add("x-head", "2")
    ctx.response_trailers.add("x-tail", "t")
    ctx.response_trailers.add("x-bin", "AAE")
    raise ConnectError(Code(request.value), MESSAGE, [Duration(seconds=3), text("d")])


async def fail_late(request: StringValue, ctx: Any) -> Any:
    """The same, after a message."""
    yield request
    await fail(request, ctx)


@pytest.fixture
def failure(serve: Serve) -> Callable[..., ConnectError]:
    """Have a call fail."""
    methods: Any = {"Echo": (StreamType.UNARY, fail), "Count": (StreamType.SERVER_STREAM, fail_late)}
    url = f"http://127.0.0.1:{serve(AsyncEcho(methods))}"

    def make(protocol: ProtocolType, code: Code, *, stream: bool = False) -> ConnectError:
        with ConnectClientSync(url, protocol=protocol) as client:
            request = text(code.value)

            def call() -> object:
                if stream:
                    return list(client.execute_server_stream(request=request, method=COUNT))
                return client.execute_unary(request=request, method=ECHO)

            with pytest.raises(ConnectError) as failed:
                call()
        return failed.value

    return make


@PROTOCOLS
@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
def test_errors_carry_everything(failure: Any, protocol: ProtocolType, stream: bool) -> None:
    for code in Code:
        error = failure(protocol, code, stream=stream)
        assert (error.code, error.message, str(error)) == (code, MESSAGE, MESSAGE)
        duration, string = error.details
        assert duration.type_name == "google.protobuf.Duration"
        assert duration.value(Duration) == duration.value() == Duration(seconds=3)
        assert string.value(StringValue) == text("d")
        assert duration.value(StringValue) is None
        # And as the other library's message.
        assert duration.value(wkt.Duration).seconds == 3
        if not stream:
            # A head that was sent before the failure has none of these.
            assert error.headers.getall("x-head") == ("h", "2")
        assert error.trailers["x-tail"] == "t"
        assert error.trailers["x-bin"].rstrip("=") == "AAE"


@PROTOCOLS
def test_errors_can_be_pickled_and_copied(failure: Any, protocol: ProtocolType) -> None:
    error = failure(protocol, Code.ABORTED)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert (again.code, again.message) == (error.code, error.message)
        assert [detail.value(Duration) for detail in again.details] == [Duration(seconds=3), None]
        assert again.headers.getall("x-head") == ("h", "2")
        assert again.trailers["x-tail"] == "t"
    mine = pickle.loads(pickle.dumps(ConnectError(Code.NOT_FOUND, "mine", [text("d")])))
    assert (mine.code, mine.message, mine.details[0].value(StringValue)) == (
        Code.NOT_FOUND,
        "mine",
        text("d"),
    )
    assert not mine.headers


@PROTOCOLS
def test_metadata_of_a_failure_is_told(serve: Serve, protocol: ProtocolType) -> None:
    url = f"http://127.0.0.1:{serve(AsyncEcho({'Echo': (StreamType.UNARY, fail)}))}"
    with (
        ConnectClientSync(url, protocol=protocol) as client,
        ResponseMetadata() as metadata,
        pytest.raises(ConnectError),
    ):
        client.execute_unary(request=text("not_found"), method=ECHO)
    assert metadata.http_status == (404 if protocol is ProtocolType.CONNECT else 200)
    assert metadata.headers.getall("x-head") == ("h", "2")
    assert metadata.trailers["x-tail"] == "t"


@PROTOCOLS
@pytest.mark.parametrize("one_by_one", [True, False], ids=["received", "iterated"])
def test_metadata_of_a_stream_that_fails_is_told(
    serve: Serve, protocol: ProtocolType, one_by_one: bool
) -> None:
    class Noting:
        async def on_start(self, _ctx: Any) -> None:
            """Nothing to do."""

        async def on_end(self, _token: None, ctx: Any, _error: Exception | None) -> None:
            seen.append(ctx.response_trailers["x-tail"])

    async def call(client: ConnectClient) -> None:
        stream = client.execute_server_stream(request=text("aborted"), method=COUNT)
        with pytest.raises(ConnectError):
            await take_all(stream)
        await stream.aclose()

    async def take_all(stream: Any) -> None:
        if one_by_one:
            while True:
                await stream.receive()
        async for _ in stream:
            pass

    async def main() -> None:
        async with ConnectClient(url, protocol=protocol) as client:
            with ResponseMetadata() as metadata:
                await call(client)
            assert metadata.trailers["x-tail"] == "t"
        async with ConnectClient(url, protocol=protocol, interceptors=[Noting()]) as client:
            await call(client)
            assert seen == ["t"]

    seen: list[str] = []
    url = f"http://127.0.0.1:{serve(AsyncEcho({'Count': (StreamType.SERVER_STREAM, fail_late)}))}"
    asyncio.run(main())


def test_a_status_of_grpcio_is_an_error_with_details() -> None:
    def refuse(_request: bytes, context: grpc.ServicerContext) -> bytes:
        packed = AnyMessage()
        packed.Pack(Duration(seconds=5))
        context.send_initial_metadata((("x-head", "h"),))
        context.abort_with_status(rpc_status.to_status(Status(code=9, message="é %", details=[packed])))
        return b""

    handler: Any = grpc.unary_unary_rpc_method_handler(refuse)
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"Echo": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        url = f"http://127.0.0.1:{port}"
        with (
            ConnectClientSync(url, protocol=ProtocolType.GRPC, transport=Transport()) as client,
            pytest.raises(ConnectError) as failed,
        ):
            client.execute_unary(request=text("a"), method=ECHO)
    finally:
        server.stop(None).wait()
    error = failed.value
    assert (error.code, error.message) == (Code.FAILED_PRECONDITION, "é %")
    assert error.details[0].value(Duration) == Duration(seconds=5)
    assert error.headers["x-head"] == "h"


def test_a_header_that_cannot_be_sent_is_the_callers_error(serve: Serve) -> None:
    url = f"http://127.0.0.1:{serve(AsyncEcho({'Echo': (StreamType.UNARY, fail)}))}"
    bad = {"x y": "cannot be|can carry", "x": "cannot carry", "x-bin": "x-bin is not base64"}

    async def asynchronous(headers: dict[str, str]) -> None:
        async with ConnectClient(url) as client:
            await client.execute_unary(request=text("a"), method=ECHO, headers=headers)

    with ConnectClientSync(url) as client, httpx.Client() as session:
        over_httpx = ConnectClientSync(url, http_client=session)
        for name, said in bad.items():
            headers = {name: "a\nb" if name == "x" else "no base64 !"}
            for blocking in (client, over_httpx):
                with pytest.raises(ValueError, match=said):
                    blocking.execute_unary(request=text("a"), method=ECHO, headers=headers)
            with pytest.raises(ValueError, match=said):
                list(client.execute_server_stream(request=text("a"), method=COUNT, headers=headers))
            with pytest.raises(ValueError, match=said):
                asyncio.run(asynchronous(headers))
