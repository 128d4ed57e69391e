"""gRPC callers of a Connect-Python server that speaks nothing but Connect over HTTP/1.1."""

import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import uvicorn
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.request import RequestContext
from talk.v1 import talk_pb2, talk_pb2_grpc
from talk.v1.talk_connect import TalkService, TalkServiceASGIApplication

from tests.peers.conftest import http_client
from tests.peers.connect import envelope, envelopes, path
from tests.running.bridge import Bridge, running_bridge
from tests.running.envoy_file import Upstream, envoy_file

Context = RequestContext[Any, Any]


class _Talk(TalkService):
    """The part of the demo's service that these tests call."""

    async def say(self, request: talk_pb2.SayRequest, ctx: Context, /) -> talk_pb2.SayResponse:
        if tag := ctx.request_headers.get("x-tag"):
            ctx.response_headers["x-tag-header"] = tag
            ctx.response_trailers["x-tag-trailer"] = tag
        return talk_pb2.SayResponse(sentence=f"You said: {request.sentence}")

    async def count(
        self, request: talk_pb2.CountRequest, _ctx: Context, /
    ) -> AsyncIterator[talk_pb2.CountResponse]:
        for number in range(1, request.up_to + 1):
            yield talk_pb2.CountResponse(number=number)

    async def sum(
        self, request: AsyncIterator[talk_pb2.SumRequest], _ctx: Context, /
    ) -> talk_pb2.SumResponse:
        return talk_pb2.SumResponse(total=sum([message.number async for message in request]))

    async def fail(self, request: talk_pb2.FailRequest, _ctx: Context, /) -> talk_pb2.FailResponse:
        raise ConnectError(Code.NOT_FOUND, request.message)


@pytest.fixture(scope="module")
def connect_server() -> Iterator[int]:
    """A Connect-Python server on uvicorn; yields its port."""
    app: Any = TalkServiceASGIApplication(_Talk())
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error"))
    # Connections wait in the listening socket until the server is up.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def connect_bridge(connect_server: int, talk_descriptors: Path) -> Iterator[Bridge]:
    settings = {"protocol": "connect", "descriptor_set": str(talk_descriptors)}
    with running_bridge(envoy_file(Upstream(connect_server, http1=True, landbridge=settings))) as bridge:
        yield bridge


@pytest.fixture
def stub(connect_bridge: Bridge) -> Iterator[Any]:
    with grpc.insecure_channel(connect_bridge.address) as channel:
        yield talk_pb2_grpc.TalkServiceStub(channel)


def test_a_unary_call_reaches_it_with_metadata_both_ways(stub: Any) -> None:
    answer, call = stub.Say.with_call(talk_pb2.SayRequest(sentence="hello"), metadata=[("x-tag", "blue")])
    assert answer.sentence == "You said: hello"
    assert ("x-tag-header", "blue") in call.initial_metadata()
    assert ("x-tag-trailer", "blue") in call.trailing_metadata()


def test_a_server_stream_comes_from_it(stub: Any) -> None:
    assert [answer.number for answer in stub.Count(talk_pb2.CountRequest(up_to=3))] == [1, 2, 3]


def test_a_client_stream_goes_to_it(stub: Any) -> None:
    requests = iter([talk_pb2.SumRequest(number=number) for number in (1, 20, 300)])
    assert stub.Sum(requests).total == 321


def test_its_error_keeps_code_and_message(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as failure:
        stub.Fail(talk_pb2.FailRequest(message="50% café"))
    assert failure.value.code() == grpc.StatusCode.NOT_FOUND
    assert failure.value.details() == "50% café"


def test_grpc_web_callers_reach_it_too(connect_bridge: Bridge) -> None:
    request = envelope(talk_pb2.SayRequest(sentence="hello").SerializeToString())
    with http_client(connect_bridge) as client:
        answer = client.post(path("Say"), content=request, headers={"content-type": "application/grpc-web"})
    (_, message), (_, trailers) = envelopes(answer.content)
    assert talk_pb2.SayResponse.FromString(message).sentence == "You said: hello"
    assert b"grpc-status" in trailers
