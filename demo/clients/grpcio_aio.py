"""grpcio, the asyncio API."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import grpc
from google.rpc import status_pb2
from talk.v1 import talk_pb2, talk_pb2_grpc

from demo.rows import Row, expect

AsyncCheck = Callable[[Any], Awaitable[str]]


def rows(address: str) -> Iterator[Row]:
    """Every kind of call, an error, a deadline and a cancellation, each on an event loop of its own."""
    checks: dict[str, AsyncCheck] = {
        "unary": _unary,
        "server stream": _server_stream,
        "client stream": _client_stream,
        "bidi stream": _bidi_stream,
        "error with details": _error_details,
        "deadline": _deadline,
        "cancellation": _cancellation,
    }
    for call, check in checks.items():
        yield Row("grpcio asyncio", "gRPC", "2", call, partial(_on_own_loop, address, check))


def _on_own_loop(address: str, check: AsyncCheck) -> str:
    return asyncio.run(_with_stub(address, check))


async def _with_stub(address: str, check: AsyncCheck) -> str:
    async with grpc.aio.insecure_channel(address) as channel:
        return await check(talk_pb2_grpc.TalkServiceStub(channel))


async def _unary(stub: Any) -> str:
    answer = await stub.Say(talk_pb2.SayRequest(sentence="hello"))
    expect("sentence", answer.sentence, "You said: hello")
    return str(answer.sentence)


async def _server_stream(stub: Any) -> str:
    numbers = [answer.number async for answer in stub.Count(talk_pb2.CountRequest(up_to=4))]
    expect("numbers", numbers, [1, 2, 3, 4])
    return f"{numbers}"


async def _client_stream(stub: Any) -> str:
    async def numbers() -> AsyncIterator[talk_pb2.SumRequest]:
        for number in (1, 20, 300):
            yield talk_pb2.SumRequest(number=number)

    answer = await stub.Sum(numbers())
    expect("total", answer.total, 321)
    return f"1 + 20 + 300 = {answer.total}"


async def _bidi_stream(stub: Any) -> str:
    call = stub.Converse()
    for sentence in ("one", "two", "three"):
        await call.write(talk_pb2.ConverseRequest(sentence=sentence))
        # The answer comes while the stream is still open for more.
        expect("answer", (await call.read()).sentence, f"You said: {sentence}")
    await call.done_writing()
    expect("end", await call.read(), grpc.aio.EOF)
    return "an answer to each sentence before the next"


async def _error_details(stub: Any) -> str:
    try:
        await stub.Fail(talk_pb2.FailRequest(code=8, message="no more rope"))
    except grpc.aio.AioRpcError as error:
        expect("code", error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        expect("message", error.details(), "no more rope")
        trailers = dict(error.trailing_metadata())
        (detail,) = status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details
        reason = talk_pb2.Reason()
        expect("detail is a Reason", detail.Unpack(reason), True)
        expect("reason", reason.text, "because of no more rope")
        return f"resource_exhausted: {error.details()}, {reason.text}"
    raise AssertionError("the call did not fail")


async def _deadline(stub: Any) -> str:
    try:
        await stub.Say(talk_pb2.SayRequest(sentence="slow", delay_ms=3000), timeout=0.2)
    except grpc.aio.AioRpcError as error:
        expect("code", error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        return "deadline_exceeded after 200 ms"
    raise AssertionError("the call did not fail")


async def _cancellation(stub: Any) -> str:
    name = "grpcio asyncio, cancelled"
    call = stub.Count(talk_pb2.CountRequest(name=name, up_to=1000, delay_ms=20))
    expect("first number", (await call.read()).number, 1)
    call.cancel()
    look = await stub.Look(talk_pb2.LookRequest(name=name, until_ended=True), timeout=10)
    expect("what the server saw", look.state, talk_pb2.STATE_CANCELLED)
    return "the server saw it"
