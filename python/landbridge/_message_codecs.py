"""Which codecs belong to a class of messages: those of google's protobuf and of protobuf-py differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from landbridge.codec import Codec


def codecs_of(message: type[Any]) -> Sequence[Codec[Any, Any]]:
    """Binary and JSON."""
    if is_googles(message):
        from landbridge.compat import google_protobuf_codecs  # noqa: PLC0415

        return google_protobuf_codecs()
    from landbridge.codec import proto_binary_codec, proto_json_codec  # noqa: PLC0415

    return (proto_binary_codec(), proto_json_codec())


def binary_codec_of(message: type[Any]) -> Codec[Any, Any]:
    """The binary one alone, without what JSON needs."""
    if is_googles(message):
        from landbridge.compat import google_protobuf_binary_codec  # noqa: PLC0415

        return google_protobuf_binary_codec()
    from landbridge.codec import proto_binary_codec  # noqa: PLC0415

    return proto_binary_codec()


def is_googles(message: Any) -> bool:
    """Whether a class of messages is one of google's protobuf."""
    return hasattr(message, "FromString")
