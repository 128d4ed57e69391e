"""What the runner asks for: one call."""

import functools
from dataclasses import dataclass
from typing import Any

from connectrpc.conformance.v1 import config_pb2, service_pb2
from google.protobuf.message_factory import GetMessageClass
from landbridge.method import IdempotencyLevel, MethodInfo, StreamType
from landbridge.request import Headers

_SERVICE = service_pb2.DESCRIPTOR.services_by_name["ConformanceService"]

_STREAM_TYPES = {
    (False, False): StreamType.UNARY,
    (True, False): StreamType.CLIENT_STREAM,
    (False, True): StreamType.SERVER_STREAM,
    (True, True): StreamType.BIDI_STREAM,
}


@dataclass(frozen=True)
class Cancel:
    """When a call is to be cancelled. What is `None` or false is not asked for."""

    before_close_send: bool = False
    """Instead of the half-close."""

    after_close_send: float | None = None
    """So many seconds after the half-close."""

    after_responses: int | None = None
    """When so many responses have come."""

    @property
    def is_asked_for(self) -> bool:
        """Whether it is to be cancelled at all."""
        return self != Cancel()


class Case:
    """One call, as it is to be made."""

    def __init__(self, request: Any) -> None:
        self.method = _method(request.service, request.method)
        self.is_full_duplex = request.stream_type == config_pb2.STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM
        self.use_get: bool = request.use_get_http_method
        self.timeout_ms: int | None = request.timeout_ms if request.HasField("timeout_ms") else None
        self.delay: float = request.request_delay_ms / 1000
        """Seconds to wait before each request message."""
        self.cancel = _cancel(request)
        self.headers = Headers()
        for header in request.request_headers:
            for value in header.value:
                self.headers.add(header.name, value)
        self.messages = [_unpacked(packed, self.method.input) for packed in request.request_messages]


def _cancel(request: Any) -> Cancel:
    if not request.HasField("cancel"):
        return Cancel()
    match request.cancel.WhichOneof("cancel_timing"):
        case "before_close_send":
            return Cancel(before_close_send=True)
        case "after_num_responses":
            return Cancel(after_responses=request.cancel.after_num_responses)
        case _:
            return Cancel(after_close_send=request.cancel.after_close_send_ms / 1000)


@functools.cache
def _method(service: str, name: str) -> MethodInfo[Any, Any]:
    if service != _SERVICE.full_name:
        raise ValueError(f"{service!r} is not the service that is called here, {_SERVICE.full_name}")
    found = _SERVICE.methods_by_name[name]
    options = found.GetOptions()
    is_safe = options.idempotency_level == options.NO_SIDE_EFFECTS
    return MethodInfo(
        name=name,
        service_name=service,
        input=GetMessageClass(found.input_type),
        output=GetMessageClass(found.output_type),
        idempotency_level=IdempotencyLevel.NO_SIDE_EFFECTS if is_safe else IdempotencyLevel.UNKNOWN,
        stream_type=_STREAM_TYPES[found.client_streaming, found.server_streaming],
    )


def _unpacked(packed: Any, kind: type[Any]) -> Any:
    message = kind()
    if not packed.Unpack(message):
        raise ValueError(f"a {packed.type_url} is no {message.DESCRIPTOR.full_name}")
    return message
