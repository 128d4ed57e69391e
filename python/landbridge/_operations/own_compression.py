"""Calls whose messages are under a compression that the application does itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from landbridge._compressions import unpacked
from landbridge._core import Compressed
from landbridge.code import Code

if TYPE_CHECKING:
    from landbridge._headers import Lines
    from landbridge._operations.operation import Operation


class OwnCompression:
    """A call with plain messages, made of one whose core leaves its compression to the application.

    Everything that is not about messages is the call's.
    """

    def __init__(self, operation: Operation, call: Any) -> None:
        self._call = call
        self._compressions = operation.compressions
        self._is_sending = False
        self._inbound = operation.compressions.get(call.encoding)
        self._outbound = operation.compressions.get(call.response_encoding)
        self._read_max_bytes = operation.read_max_bytes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def receive(self) -> Any:
        """As the call's."""
        return self._plain(self._call.receive())

    def receive_blocking(self) -> Any:
        """As the call's."""
        return self._plain(self._call.receive_blocking())

    def send_headers(self, headers: Lines | None, /) -> Any:
        """As the call's."""
        self._is_sending = True
        return self._call.send_headers(headers)

    def send(self, message: bytes, headers: Lines | None = None, /) -> bool:
        """As the call's."""
        self._is_sending = True
        return bool(self._call.send(self._packed(message), headers))

    def finish(
        self, message: bytes | None = None, headers: Lines | None = None, trailers: Lines | None = None, /
    ) -> None:
        """As the call's."""
        self._call.finish(None if message is None else self._packed(message), headers, trailers)

    def set_compression(self, name: str, /) -> bool:
        """As the call's."""
        is_taken = not self._is_sending and bool(self._call.set_compression(name))
        if is_taken:
            # The core does its own.
            self._outbound = self._compressions.get(name)
        return is_taken

    def _plain(self, message: Any) -> Any:
        if not isinstance(message, Compressed):
            return message
        return unpacked(
            message, self._inbound, self._read_max_bytes, fault=Code.INVALID_ARGUMENT, what="the message"
        )

    def _packed(self, message: bytes) -> Any:
        return message if self._outbound is None else Compressed(bytes(self._outbound.compress(message)))


def plain(operation: Operation, call: Any) -> Any:
    """The call with plain messages."""
    return OwnCompression(operation, call) if operation.compressions else call
