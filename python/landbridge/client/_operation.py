"""One method, as a client calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from landbridge._compressions import unpacked
from landbridge._core import Compressed
from landbridge._kinds import gives_stream, takes_stream
from landbridge._settings import described
from landbridge.code import Code
from landbridge.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from landbridge.client._outbound import OutboundCall, Starter
    from landbridge.codec import Codec
    from landbridge.compression import Compression
    from landbridge.method import MethodInfo


class Operation:
    """A method, with everything about it decided: how to write, how to send, how to read."""

    __slots__ = (
        "_codec",
        "_compressions",
        "_read_max_bytes",
        "_send",
        "function",
        "gives_stream",
        "method",
        "starter",
        "takes_stream",
    )

    def __init__(
        self,
        method: MethodInfo[Any, Any],
        starter: Starter,
        *,
        codec: Codec[Any, Any],
        send_compression: Compression | None,
        compressions: Mapping[str, Compression],
        read_max_bytes: int,
    ) -> None:
        self.method = method
        # Known here, because every call asks.
        self.takes_stream = takes_stream(method.stream_type)
        self.gives_stream = gives_stream(method.stream_type)
        self.starter: Any = starter
        """Starts its calls; a `SyncStarter` for the blocking client."""
        self.function: Callable[..., Any] | None = None
        """The call with its interceptors around it; none without interceptors."""
        self._codec = codec
        self._send = send_compression
        self._compressions = compressions
        self._read_max_bytes = read_max_bytes

    def encode(self, message: Any) -> Any:
        """The message as it is sent. Raises `TypeError` for what is no message of the method's."""
        wanted = self.method.input
        if not isinstance(message, wanted) and _type_name(message) != _type_name(wanted):
            method = f"{self.method.service_name}/{self.method.name}"
            raise TypeError(f"{method} is called with {described(message)}: it takes a {wanted.__name__}")
        data = self._codec.encode(message)
        if self._send is None:
            return data
        return Compressed(bytes(self._send.compress(data)))

    def decode(self, data: Any, call: OutboundCall) -> Any:
        """The message that has come. Raises `ConnectError` with `INTERNAL` where it is none."""
        if type(data) is not bytes:
            data = self._decompressed(data, call)
        try:
            return self._codec.decode(data, self.method.output)
        except ConnectError:
            raise
        except Exception as error:
            from landbridge._signals import raised_by_a_signal  # noqa: PLC0415

            if raised_by_a_signal(error):
                raise
            name = self.method.output.__name__
            message = f"the server's response is no {name} in {self._codec.name()}: {error}"
            raise ConnectError(Code.INTERNAL, message) from error

    def _decompressed(self, data: Compressed, call: OutboundCall) -> bytes:
        name = call.response_encoding
        compression = None if name is None else self._compressions.get(name)
        return unpacked(data, compression, self._read_max_bytes, fault=Code.INTERNAL, what="the response")


def _type_name(message: Any) -> Any:
    """The name of a protobuf message's type, which may have several classes; of others, what they are."""
    return getattr(getattr(message, "DESCRIPTOR", None), "full_name", message)
