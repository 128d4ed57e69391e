"""The compression zstd (RFC 8878)."""

from __future__ import annotations

from landbridge.compression._core_compression import CoreCompression

__all__ = ["ZstdCompression"]


class ZstdCompression(CoreCompression):
    """Zstd (RFC 8878), done by the core."""

    __slots__ = ()

    def __init__(self, level: int | None = None) -> None:
        """Settle how hard it compresses: up to 22; those below 0 are faster yet.

        Without that the core chooses, and favours speed. Raises `ValueError` for a level that there is not.
        """
        super().__init__("zstd", level)
