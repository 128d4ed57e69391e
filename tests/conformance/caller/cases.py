"""What the runner asks for: one call."""

import re
from dataclasses import dataclass
from typing import Any

from connectrpc.conformance.v1 import config_pb2, service_pb2
from landbridge.request import Headers


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
        self.stream_type: int = request.stream_type
        self.is_full_duplex = request.stream_type == config_pb2.STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM
        self.method = re.sub(r"\B([A-Z])", r"_\1", request.method).lower()
        """Its name in generated clients."""
        self.settings: dict[str, Any] = {"headers": _headers(request)}
        """Keywords for it."""
        if request.HasField("timeout_ms"):
            self.settings["timeout_ms"] = request.timeout_ms
        if request.use_get_http_method:
            self.settings["use_get"] = True
        self.messages = [_unpacked(packed) for packed in request.request_messages]
        self.delay: float = request.request_delay_ms / 1000
        """Seconds to wait before each of them."""
        self.cancel = _cancel(request)


def _headers(request: Any) -> Headers:
    headers = Headers()
    for header in request.request_headers:
        for value in header.value:
            headers.add(header.name, value)
    return headers


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


def _unpacked(packed: Any) -> Any:
    # All requests are messages of one file.
    message = getattr(service_pb2, packed.TypeName().rpartition(".")[2])()
    packed.Unpack(message)
    return message
