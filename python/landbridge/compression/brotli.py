"""The compression brotli (RFC 7932)."""

from __future__ import annotations

from landbridge.compression._core_compression import CoreCompression

__all__ = ["BrotliCompression"]


class BrotliCompression(CoreCompression):
    """Brotli (RFC 7932), done by the core."""

    __slots__ = ()

    def __init__(self, quality: int | None = None) -> None:
        """Settle how hard it compresses: from 0 to 11.

        Without that the core chooses, and favours speed. Raises `ValueError` for a quality that there is not.
        """
        super().__init__("br", quality)
