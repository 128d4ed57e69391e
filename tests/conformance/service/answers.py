"""What both services have in common: what they say of a request, and what they answer as the request asks."""

from collections.abc import Iterable, Sequence
from typing import Any

from connectrpc.conformance.v1 import service_pb2
from google.protobuf.any_pb2 import Any as PackedAny
from google.protobuf.message import Message
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.request import Headers, RequestContext

_CODES = list(Code)
"""In the order of their numbers, which begin at one."""

Context = RequestContext[Any, Any]


def request_info(
    ctx: Context, requests: Iterable[Message] = (), *, timeout_ms: float | None = None
) -> service_pb2.ConformancePayload.RequestInfo:
    """Say what was seen of a request."""
    info = service_pb2.ConformancePayload.RequestInfo(
        request_headers=[
            service_pb2.Header(name=name, value=ctx.request_headers.getall(name))
            for name in ctx.request_headers
        ]
    )
    timeout_ms = ctx.timeout_ms if timeout_ms is None else timeout_ms
    if timeout_ms is not None:
        info.timeout_ms = round(timeout_ms)
    for request in requests:
        packed = PackedAny()
        packed.Pack(request)
        info.requests.append(packed)
    if ctx.http_method == "GET":
        info.connect_get_info.SetInParent()
    return info


def put_headers(ctx: Context, definition: Any) -> None:
    """Set the headers and trailers that a definition asks for."""
    _put(ctx.response_headers, definition.response_headers)
    _put(ctx.response_trailers, definition.response_trailers)


def _put(headers: Headers, wanted: Iterable[Any]) -> None:
    for header in wanted:
        for value in header.value:
            headers.add(header.name, value)


def unary_payload(
    ctx: Context, definition: Any, requests: Sequence[Message]
) -> service_pb2.ConformancePayload:
    """Answer with one payload, or raise the error, as the definition says."""
    info = request_info(ctx, requests)
    if definition.WhichOneof("response") == "error":
        raise wanted_error(definition.error, info)
    return service_pb2.ConformancePayload(data=definition.response_data, request_info=info)


def wanted_error(error: Any, info: Message | None = None) -> ConnectError:
    """Make the error that a definition asks for; `info` becomes one more detail."""
    details: list[Message] = list(error.details)
    if info is not None:
        details.append(info)
    return ConnectError(_CODES[error.code - 1], error.message, details)
