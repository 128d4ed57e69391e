"""Codecs for messages of google's `protobuf`, which `_pb2` modules have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

    from landbridge.codec import Codec

__all__ = ["google_protobuf_binary_codec", "google_protobuf_codecs", "google_protobuf_json_codec"]


class _BinaryCodec:
    """Protobuf's binary format."""

    def name(self) -> str:
        return "proto"

    def encode(self, message: Message) -> bytes:
        return message.SerializeToString()

    def decode(self, data: bytes | bytearray, message_class: type[Message]) -> Message:
        return message_class.FromString(data if type(data) is bytes else bytes(data))


class _JsonCodec:
    """Protobuf's JSON mapping."""

    def __init__(self, ignore_unknown_fields: bool, descriptor_pool: DescriptorPool | None) -> None:
        self._ignore_unknown_fields = ignore_unknown_fields
        self._descriptor_pool = descriptor_pool

    def name(self) -> str:
        return "json"

    def encode(self, message: Message) -> bytes:
        from google.protobuf.json_format import MessageToJson  # noqa: PLC0415

        return MessageToJson(message, indent=None, descriptor_pool=self._descriptor_pool).encode()

    def decode(self, data: bytes | bytearray, message_class: type[Message]) -> Message:
        from google.protobuf.json_format import Parse  # noqa: PLC0415

        return Parse(
            bytes(data),
            message_class(),
            ignore_unknown_fields=self._ignore_unknown_fields,
            descriptor_pool=self._descriptor_pool,
        )


_BINARY = _BinaryCodec()
_JSON = _JsonCodec(ignore_unknown_fields=True, descriptor_pool=None)


def google_protobuf_binary_codec() -> Codec[Any, Any]:
    """Protobuf's binary format."""
    return _BINARY


def google_protobuf_json_codec(
    *, ignore_unknown_fields: bool = True, descriptor_pool: DescriptorPool | None = None
) -> Codec[Any, Any]:
    """Protobuf's JSON mapping.

    `descriptor_pool` knows the messages that may be in an `Any`; without it, google's default pool.
    """
    if ignore_unknown_fields and descriptor_pool is None:
        return _JSON
    return _JsonCodec(ignore_unknown_fields, descriptor_pool)


def google_protobuf_codecs() -> Sequence[Codec[Any, Any]]:
    """Both, binary first."""
    return [_BINARY, _JSON]
