"""Compressions that an application does itself, beside those of the core."""

from __future__ import annotations

from typing import TYPE_CHECKING

from landbridge.code import Code
from landbridge.compression._core_compression import CoreCompression
from landbridge.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from landbridge._core import Compressed
    from landbridge.compression import Compression

OF_GRPC = ("gzip", "deflate")
"""Those that gRPC's implementations in C++, Python and Ruby have, the most wanted first.

Their servers also answer by one that the caller does not list.
"""

_CORES = frozenset({"identity", "gzip", "br", "zstd", "deflate"})


def is_own(compression: Compression) -> bool:
    """Whether the application does it, not the core."""
    return compression.name() not in _CORES


def level_of(compression: Compression) -> int | None:
    """How hard the core is to do it, where that was said."""
    return compression.level if isinstance(compression, CoreCompression) and not is_own(compression) else None


def own(compressions: Iterable[Compression]) -> dict[str, Compression]:
    """Those that the application does, by name."""
    return {compression.name(): compression for compression in compressions if is_own(compression)}


def unpacked(
    message: Compressed, compression: Compression | None, read_max_bytes: int, *, fault: Code, what: str
) -> bytes:
    """A message without its compression. Raises `ConnectError`, with `fault` where it is damaged."""
    if compression is None:
        raise ConnectError(Code.INTERNAL, "a compressed message came, and nothing that can read it")
    try:
        return bytes(compression.decompress(message.data, read_max_bytes))
    except ConnectError:
        raise
    except Exception as error:
        raise ConnectError(fault, f"{what} is not valid {compression.name()}: {error}") from error
