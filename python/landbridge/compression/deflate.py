"""The compression deflate (RFC 1950)."""

from __future__ import annotations

from landbridge.compression._core_compression import CoreCompression

__all__ = ["DeflateCompression"]


class DeflateCompression(CoreCompression):
    """Deflate, which is zlib's format (RFC 1950), done by the core: `grpc.Compression.Deflate`."""

    __slots__ = ()

    def __init__(self, level: int | None = None) -> None:
        """Settle how hard it compresses: from 0, which only wraps the data, to 9.

        Without that the core chooses, and favours speed. Raises `ValueError` for a level that there is not.
        """
        super().__init__("deflate", level)
