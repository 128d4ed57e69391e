"""How messages are serialized."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from typing_extensions import TypeVar

if TYPE_CHECKING:
    from protobuf import Message, Registry

__all__ = ["Codec", "proto_binary_codec", "proto_json_codec"]

T_contra = TypeVar("T_contra", contravariant=True, default=Any)
U = TypeVar("U", default=Any)


class Codec(Protocol[T_contra, U]):
    """Turns messages into bytes and back. Write one for a format of your own."""

    def name(self) -> str:
        """The format's name in content-types: `proto` of `application/proto` and `application/grpc+proto`."""
        ...

    def encode(self, message: T_contra) -> bytes:
        """The bytes of a message."""
        ...

    def decode(self, data: bytes | bytearray, message_class: type[U]) -> U:
        """The message of this class that the bytes hold. Any exception means that they hold none."""
        ...


class _ProtoBinaryCodec:
    """Binary messages of protobuf-py."""

    def name(self) -> str:
        return "proto"

    def encode(self, message: Message) -> bytes:
        return message.to_binary()

    def decode(self, data: bytes | bytearray, message_class: type[Message]) -> Message:
        return message_class.from_binary(data if type(data) is bytes else bytes(data))


class _ProtoJsonCodec:
    """JSON messages of protobuf-py."""

    def __init__(self, registry: Registry | None, ignore_unknown_fields: bool) -> None:
        self._registry = registry
        self._ignore_unknown_fields = ignore_unknown_fields

    def name(self) -> str:
        return "json"

    def encode(self, message: Message) -> bytes:
        return message.to_json(registry=self._registry).encode()

    def decode(self, data: bytes | bytearray, message_class: type[Message]) -> Message:
        return message_class.from_json(
            bytes(data), registry=self._registry, ignore_unknown_fields=self._ignore_unknown_fields
        )


_BINARY = _ProtoBinaryCodec()


def proto_binary_codec() -> Codec[Any, Any]:
    """Protobuf's binary format, for messages of protobuf-py."""
    return _BINARY


def proto_json_codec(
    registry: Registry | None = None, *, ignore_unknown_fields: bool = True
) -> Codec[Any, Any]:
    """Protobuf's JSON mapping, for messages of protobuf-py.

    `registry` knows the messages that may be in an `Any`, and extensions; without it, the well-known types.
    """
    return _ProtoJsonCodec(registry or _well_known_types(), ignore_unknown_fields)


def _well_known_types() -> Registry:
    from protobuf import Registry  # noqa: PLC0415
    from protobuf.wkt.google.protobuf import (  # noqa: PLC0415
        api_pb,
        duration_pb,
        empty_pb,
        field_mask_pb,
        source_context_pb,
        struct_pb,
        timestamp_pb,
        type_pb,
        wrappers_pb,
    )

    files = (
        api_pb,
        duration_pb,
        empty_pb,
        field_mask_pb,
        source_context_pb,
        struct_pb,
        timestamp_pb,
        type_pb,
        wrappers_pb,
    )
    return Registry(*(file.desc() for file in files))
