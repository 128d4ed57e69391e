"""A service without a schema file: messages of the well-known types, built by hand as any endpoint may be."""

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.method import IdempotencyLevel, MethodInfo, StreamType
from landbridge.server import ConnectASGIApplication, ConnectWSGIApplication, Endpoint, EndpointSync

SERVICE = "test.v1.Echo"


class AsyncEcho(ConnectASGIApplication[None]):
    """Serves functions by the names of their methods, in an event loop."""

    path = f"/{SERVICE}"

    def __init__(self, methods: dict[str, tuple[StreamType, Callable[..., Any]]], **settings: Any) -> None:
        endpoints = {
            f"/{SERVICE}/{name}": Endpoint(method=method(name, kind), function=function)
            for name, (kind, function) in methods.items()
        }
        super().__init__(**{"service": None, "endpoints": lambda _: endpoints, **settings})


class SyncEcho(ConnectWSGIApplication):
    """The same, on threads."""

    path = f"/{SERVICE}"

    def __init__(self, methods: dict[str, tuple[StreamType, Callable[..., Any]]], **settings: Any) -> None:
        endpoints = {
            f"/{SERVICE}/{name}": EndpointSync(method=method(name, kind), function=function)
            for name, (kind, function) in methods.items()
        }
        super().__init__(endpoints=endpoints, **settings)


def method(name: str, kind: StreamType) -> MethodInfo[StringValue, StringValue]:
    """A method from text to text."""
    return MethodInfo(
        name=name,
        service_name=SERVICE,
        input=StringValue,
        output=StringValue,
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=kind,
    )


def unary(function: Callable[..., Any]) -> dict[str, tuple[StreamType, Callable[..., Any]]]:
    """One method, `Echo`, with one message each way."""
    return {"Echo": (StreamType.UNARY, function)}


def stub(channel: grpc.Channel, name: str = "Echo", kind: str = "unary_unary") -> Any:
    """What calls a method by grpcio."""
    make = getattr(channel, kind)
    return make(
        f"/{SERVICE}/{name}",
        request_serializer=StringValue.SerializeToString,
        response_deserializer=StringValue.FromString,
    )


def text(value: str) -> StringValue:
    """A message."""
    return StringValue(value=value)
