"""The compression gzip (RFC 1952)."""

from __future__ import annotations

from landbridge import _core

__all__ = ["GzipCompression"]


class GzipCompression:
    """Gzip (RFC 1952), done by the core."""

    def __init__(self, level: int = 6) -> None:
        """Name it. The core chooses how hard it compresses; `level` is taken for compatibility."""
        self._level = level

    def name(self) -> str:
        """Its name in headers."""
        return "gzip"

    def compress(self, data: bytes | bytearray | memoryview) -> bytes:
        """The data, compressed."""
        return _core.compress("gzip", bytes(data))

    def decompress(self, data: bytes | bytearray | memoryview, read_max_bytes: int | None = None) -> bytes:
        """The data again.

        Raises `ConnectError`: `RESOURCE_EXHAUSTED` past `read_max_bytes`, `INVALID_ARGUMENT` for damaged
        data.
        """
        return _core.decompress("gzip", bytes(data), read_max_bytes)
