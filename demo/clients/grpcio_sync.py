"""grpcio, the synchronous API."""

import time
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any, cast

import grpc
from grpc_status import rpc_status
from talk.v1 import talk_pb2, talk_pb2_grpc

from demo.rows import Check, Row, expect


def rows(address: str) -> Iterator[Row]:
    """Every kind of call, and what surrounds one: metadata, errors, deadline, cancellation."""
    stub = talk_pb2_grpc.TalkServiceStub(grpc.insecure_channel(address))
    checks: dict[str, Check] = {
        "unary": lambda: _unary(stub),
        "unary, gzip": lambda: _compressed(stub),
        "server stream": lambda: _server_stream(stub),
        "client stream": lambda: _client_stream(stub),
        "bidi stream": lambda: _bidi_stream(stub),
        "metadata": lambda: _metadata(stub),
        "error with details": lambda: _error_details(stub),
        "deadline": lambda: _deadline(stub),
        "cancellation": lambda: _cancellation(stub),
    }
    for call, check in checks.items():
        yield Row("grpcio", "gRPC", "2", call, check)


def _unary(stub: Any) -> str:
    answer = stub.Say(talk_pb2.SayRequest(sentence="hello"))
    expect("sentence", answer.sentence, "You said: hello")
    return str(answer.sentence)


def _compressed(stub: Any) -> str:
    sentence = "hello " * 1000
    answer = stub.Say(talk_pb2.SayRequest(sentence=sentence), compression=grpc.Compression.Gzip)
    expect("sentence", answer.sentence, f"You said: {sentence}")
    return f"{len(sentence)} letters there and back"


def _server_stream(stub: Any) -> str:
    numbers = [answer.number for answer in stub.Count(talk_pb2.CountRequest(up_to=4))]
    expect("numbers", numbers, [1, 2, 3, 4])
    return f"{numbers}"


def _client_stream(stub: Any) -> str:
    answer = stub.Sum(iter([talk_pb2.SumRequest(number=number) for number in (1, 20, 300)]))
    expect("total", answer.total, 321)
    return f"1 + 20 + 300 = {answer.total}"


def _bidi_stream(stub: Any) -> str:
    to_say: SimpleQueue[str | None] = SimpleQueue()
    call = stub.Converse(talk_pb2.ConverseRequest(sentence=sentence) for sentence in iter(to_say.get, None))
    for sentence in ("one", "two", "three"):
        to_say.put(sentence)
        # The answer comes while the stream is still open for more.
        expect("answer", next(call).sentence, f"You said: {sentence}")
    to_say.put(None)
    expect("what is left", list(call), [])
    return "an answer to each sentence before the next"


def _metadata(stub: Any) -> str:
    _, call = stub.Say.with_call(talk_pb2.SayRequest(sentence="hello"), metadata=[("x-tag", "blue")])
    expect("head", dict(call.initial_metadata()).get("x-tag-header"), "blue")
    expect("trailers", dict(call.trailing_metadata()).get("x-tag-trailer"), "blue")
    return "x-tag came back in head and trailers"


def _error_details(stub: Any) -> str:
    try:
        stub.Fail(talk_pb2.FailRequest(code=9, message="50% café"))
    except grpc.RpcError as error:
        expect("code", error.code(), grpc.StatusCode.FAILED_PRECONDITION)
        expect("message", error.details(), "50% café")
        # What a call raises is the call itself.
        status = rpc_status.from_call(cast(grpc.Call, error))
        if status is None:
            raise AssertionError("the error has no details") from error
        (detail,) = status.details
        reason = talk_pb2.Reason()
        expect("detail is a Reason", detail.Unpack(reason), True)
        expect("reason", reason.text, "because of 50% café")
        return f"failed_precondition: {error.details()}, {reason.text}"
    raise AssertionError("the call did not fail")


def _deadline(stub: Any) -> str:
    started = time.monotonic()
    try:
        stub.Say(talk_pb2.SayRequest(sentence="slow", delay_ms=3000), timeout=0.2)
    except grpc.RpcError as error:
        expect("code", error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        expect("ended in time", time.monotonic() - started < 2, True)
        return "deadline_exceeded after 200 ms"
    raise AssertionError("the call did not fail")


def _cancellation(stub: Any) -> str:
    name = "grpcio sync, cancelled"
    call = stub.Count(talk_pb2.CountRequest(name=name, up_to=1000, delay_ms=20))
    expect("first number", next(call).number, 1)
    call.cancel()
    look = stub.Look(talk_pb2.LookRequest(name=name, until_ended=True), timeout=10)
    expect("what the server saw", look.state, talk_pb2.STATE_CANCELLED)
    return "the server saw it"
