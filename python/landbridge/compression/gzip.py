"""The compression gzip (RFC 1952)."""

from __future__ import annotations

from landbridge.compression._core_compression import CoreCompression

__all__ = ["GzipCompression"]


class GzipCompression(CoreCompression):
    """Gzip (RFC 1952), done by the core."""

    __slots__ = ()

    def __init__(self, level: int | None = None) -> None:
        """Settle how hard it compresses: from 0, which only wraps the data, to 9.

        Without that the core chooses, and favours speed. Raises `ValueError` for a level that there is not.
        """
        super().__init__("gzip", level)
