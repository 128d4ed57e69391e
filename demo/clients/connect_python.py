"""Connect-Python (`connectrpc`), in each of the protocols that it speaks."""

from collections.abc import Iterator
from dataclasses import dataclass

from connectrpc.client import ResponseMetadata
from connectrpc.code import Code
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.errors import ConnectError
from connectrpc.protocol import ProtocolType
from pyqwest import HTTPVersion, SyncClient, SyncHTTPTransport
from talk.v1 import talk_pb2
from talk.v1.talk_connect import TalkServiceClientSync

from demo.rows import Check, Row, expect

CLIENT = "connectrpc"


@dataclass(frozen=True)
class _Way:
    """One way to speak to the server: a protocol, a codec, an HTTP version."""

    protocol: ProtocolType
    label: str
    json: bool
    http: str

    def client(self, origin: str) -> TalkServiceClientSync:
        version = HTTPVersion.HTTP2 if self.http == "2" else HTTPVersion.HTTP1
        return TalkServiceClientSync(
            origin,
            protocol=self.protocol,
            codec=google_protobuf_json_codec() if self.json else google_protobuf_binary_codec(),
            http_client=SyncClient(SyncHTTPTransport(http_version=version)),
        )


_WAYS = (
    _Way(ProtocolType.CONNECT, "Connect proto", json=False, http="1.1"),
    _Way(ProtocolType.CONNECT, "Connect JSON", json=True, http="1.1"),
    _Way(ProtocolType.CONNECT, "Connect proto", json=False, http="2"),
    _Way(ProtocolType.GRPC, "gRPC", json=False, http="2"),
    _Way(ProtocolType.GRPC_WEB, "gRPC-Web", json=False, http="1.1"),
    _Way(ProtocolType.GRPC_WEB, "gRPC-Web", json=False, http="2"),
)


def rows(origin: str) -> Iterator[Row]:
    """Every way with the calls that it can carry."""
    for way in _WAYS:
        yield from _rows(way, way.client(origin))


def _rows(way: _Way, client: TalkServiceClientSync) -> Iterator[Row]:
    checks: dict[str, Check] = {
        "unary": lambda: _unary(client),
        "server stream": lambda: _server_stream(client),
        "client stream": lambda: _client_stream(client),
        "error with details": lambda: _error_details(client),
        "stream that fails": lambda: _stream_that_fails(client),
    }
    if way.http == "2":
        checks["bidi stream"] = lambda: _bidi_stream(client)
    if way.protocol is ProtocolType.CONNECT:
        checks["unary by GET"] = lambda: _get(client)
    if not way.json:
        checks["metadata"] = lambda: _metadata(client)
        checks["deadline"] = lambda: _deadline(client)
    for call, check in checks.items():
        yield Row(CLIENT, way.label, way.http, call, check)


def _unary(client: TalkServiceClientSync) -> str:
    answer = client.say(talk_pb2.SayRequest(sentence="hello"))
    expect("sentence", answer.sentence, "You said: hello")
    expect("letters", answer.letters, 5)
    return answer.sentence


def _get(client: TalkServiceClientSync) -> str:
    list(client.count(talk_pb2.CountRequest(name="looked at", up_to=1)))
    look = client.look(talk_pb2.LookRequest(name="looked at", until_ended=True), use_get=True)
    expect("state", look.state, talk_pb2.STATE_FINISHED)
    return "the count has finished"


def _server_stream(client: TalkServiceClientSync) -> str:
    numbers = [answer.number for answer in client.count(talk_pb2.CountRequest(up_to=4))]
    expect("numbers", numbers, [1, 2, 3, 4])
    return f"{numbers}"


def _client_stream(client: TalkServiceClientSync) -> str:
    answer = client.sum(iter([talk_pb2.SumRequest(number=number) for number in (1, 20, 300)]))
    expect("total", answer.total, 321)
    return f"1 + 20 + 300 = {answer.total}"


def _bidi_stream(client: TalkServiceClientSync) -> str:
    sentences = ["one", "two", "three"]
    requests = iter([talk_pb2.ConverseRequest(sentence=sentence) for sentence in sentences])
    answers = [answer.sentence for answer in client.converse(requests)]
    expect("answers", answers, [f"You said: {sentence}" for sentence in sentences])
    return f"{len(answers)} answers to {len(sentences)} sentences"


def _metadata(client: TalkServiceClientSync) -> str:
    with ResponseMetadata() as metadata:
        client.say(talk_pb2.SayRequest(sentence="hello"), headers={"x-tag": "blue"})
    expect("head", metadata.headers.get("x-tag-header"), "blue")
    expect("trailers", metadata.trailers.get("x-tag-trailer"), "blue")
    return "x-tag came back in head and trailers"


def _error_details(client: TalkServiceClientSync) -> str:
    try:
        client.fail(talk_pb2.FailRequest(code=9, message="50% café"))
    except ConnectError as error:
        return _checked_failure(error)
    raise AssertionError("the call did not fail")


def _stream_that_fails(client: TalkServiceClientSync) -> str:
    request = talk_pb2.CountAndFailRequest(up_to=2, failure=talk_pb2.FailRequest(code=9, message="50% café"))
    numbers: list[int] = []
    try:
        numbers.extend(answer.number for answer in client.count_and_fail(request))
    except ConnectError as error:
        return f"{numbers}, then {_checked_failure(error)}"
    raise AssertionError("the call did not fail")


def _checked_failure(error: ConnectError) -> str:
    expect("code", error.code, Code.FAILED_PRECONDITION)
    expect("message", error.message, "50% café")
    (detail,) = error.details
    expect("type of the detail", detail.type_name, talk_pb2.Reason.DESCRIPTOR.full_name)
    reason = talk_pb2.Reason.FromString(detail.message_bytes)
    expect("reason", reason.text, "because of 50% café")
    return f"failed_precondition: {error.message}, {reason.text}"


def _deadline(client: TalkServiceClientSync) -> str:
    try:
        client.say(talk_pb2.SayRequest(sentence="slow", delay_ms=3000), timeout_ms=200)
    except ConnectError as error:
        expect("code", error.code, Code.DEADLINE_EXCEEDED)
        return "deadline_exceeded after 200 ms"
    raise AssertionError("the call did not fail")
