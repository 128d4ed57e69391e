"""How the runner talks to the program it tests: messages behind a length of four bytes, big-endian."""

import struct
from typing import IO, Any

from tests.conformance import official

_LENGTH = struct.Struct(">I")


def read_message(stream: IO[bytes], name: str) -> Any | None:
    """Read one message; nothing when the stream has ended."""
    head = stream.read(_LENGTH.size)
    if not head:
        return None
    (length,) = _LENGTH.unpack(head)
    message = official.message(name)
    message.ParseFromString(stream.read(length))
    return message


def write_message(stream: IO[bytes], message: Any) -> None:
    """Write one message, at once."""
    data = message.SerializeToString()
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()
