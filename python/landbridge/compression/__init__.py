"""Compression of messages.

gzip, br, zstd and deflate are done by the core: `GzipCompression`, `BrotliCompression`, `ZstdCompression` and
`DeflateCompression` name them and say how hard. Anything else with these three methods is called for each
message.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Compression"]


class Compression(Protocol):
    """A compression that calls may use."""

    def name(self) -> str:
        """Its name in headers, such as `gzip`."""
        ...

    def compress(self, data: bytes | bytearray | memoryview) -> bytes:
        """The data, compressed."""
        ...

    def decompress(self, data: bytes | bytearray | memoryview, read_max_bytes: int | None = None) -> bytes:
        """The data again.

        Raises `ConnectError` with `RESOURCE_EXHAUSTED` as soon as it is more than `read_max_bytes`, before it
        is held in memory.
        """
        ...
