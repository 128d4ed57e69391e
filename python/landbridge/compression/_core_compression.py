"""A compression that the core does."""

from __future__ import annotations

from landbridge import _core


class CoreCompression:
    """Calls over our own server and transport have it done by the core, at its level; so do these methods."""

    __slots__ = ("_name", "level")

    def __init__(self, name: str, level: int | None) -> None:
        if level is not None:
            _core.check_level(name, level)
        self._name = name
        self.level = level
        """How hard it compresses; `None` where the core chooses."""

    def name(self) -> str:
        """Its name in headers."""
        return self._name

    def compress(self, data: bytes | bytearray | memoryview) -> bytes:
        """The data, compressed."""
        return _core.compress(self._name, bytes(data), self.level)

    def decompress(self, data: bytes | bytearray | memoryview, read_max_bytes: int | None = None) -> bytes:
        """The data again.

        Raises `ConnectError`: `RESOURCE_EXHAUSTED` past `read_max_bytes`, `INVALID_ARGUMENT` for damaged
        data.
        """
        return _core.decompress(self._name, bytes(data), read_max_bytes)
