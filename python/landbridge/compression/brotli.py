"""The compression brotli (RFC 7932)."""

from __future__ import annotations

from landbridge import _core

__all__ = ["BrotliCompression"]


class BrotliCompression:
    """Brotli (RFC 7932), done by the core."""

    def __init__(self, quality: int = 3) -> None:
        """Name it. The core chooses how hard it compresses; `quality` is taken for compatibility."""
        self._quality = quality

    def name(self) -> str:
        """Its name in headers."""
        return "br"

    def compress(self, data: bytes | bytearray | memoryview) -> bytes:
        """The data, compressed."""
        return _core.compress("br", bytes(data))

    def decompress(self, data: bytes | bytearray | memoryview, read_max_bytes: int | None = None) -> bytes:
        """The data again.

        Raises `ConnectError`: `RESOURCE_EXHAUSTED` past `read_max_bytes`, `INVALID_ARGUMENT` for damaged
        data.
        """
        return _core.decompress("br", bytes(data), read_max_bytes)
