"""The compression zstd (RFC 8878)."""

from __future__ import annotations

from landbridge import _core

__all__ = ["ZstdCompression"]


class ZstdCompression:
    """Zstd (RFC 8878), done by the core."""

    def __init__(self, level: int = 3) -> None:
        """Name it. The core chooses how hard it compresses; `level` is taken for compatibility."""
        self._level = level

    def name(self) -> str:
        """Its name in headers."""
        return "zstd"

    def compress(self, data: bytes | bytearray | memoryview) -> bytes:
        """The data, compressed."""
        return _core.compress("zstd", bytes(data))

    def decompress(self, data: bytes | bytearray | memoryview, read_max_bytes: int | None = None) -> bytes:
        """The data again.

        Raises `ConnectError`: `RESOURCE_EXHAUSTED` past `read_max_bytes`, `INVALID_ARGUMENT` for damaged
        data.
        """
        return _core.decompress("zstd", bytes(data), read_max_bytes)
