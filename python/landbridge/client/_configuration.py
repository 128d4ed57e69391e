"""How all calls of one client are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from landbridge._compressions import OF_GRPC, is_own, level_of, own
from landbridge._core import __version__
from landbridge._headers import lines_of as header_lines
from landbridge._kinds import KINDS
from landbridge._limits import DEFAULT_READ_MAX_BYTES, UNLIMITED
from landbridge._message_codecs import binary_codec_of
from landbridge._protocols import NAMES
from landbridge._settings import CODEC, COMPRESSION, described, having, instance, made_of, whole_number
from landbridge.code import Code
from landbridge.compression.gzip import GzipCompression
from landbridge.errors import ConnectError
from landbridge.method import IdempotencyLevel
from landbridge.protocol import ProtocolType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import timedelta

    from landbridge._headers import GivenHeaders, Lines
    from landbridge.client._context import CallContext
    from landbridge.client._operation import Operation
    from landbridge.client._outbound import Starter
    from landbridge.client._transport import Transport
    from landbridge.codec import Codec
    from landbridge.compression import Compression
    from landbridge.method import MethodInfo

DEFAULT_SEND_COMPRESSION = GzipCompression()

_NO_LIMIT = -1

_LONGEST_MS = 1 << 63
"""Longer than any call: some 300 million years."""


class Configuration:
    """What a client was told, and the methods that it has called."""

    __slots__ = (
        "_accept",
        "_codec",
        "_compress_min_bytes",
        "_decompressions",
        "_is_blocking",
        "_operations",
        "_read_max_bytes",
        "_send",
        "_starter",
        "address",
        "close",
        "interceptors",
        "is_closed",
        "protocol",
        "timeout_ms",
        "wait_for_ready",
    )

    def __init__(
        self,
        address: str | Sequence[str],
        *,
        codec: Codec[Any, Any] | None,
        protocol: ProtocolType,
        accept_compression: Iterable[Compression] | None,
        send_compression: Compression | None,
        timeout_ms: float | timedelta | None,
        read_max_bytes: int | None,
        interceptors: Iterable[Any],
        is_blocking: bool,
        compress_min_bytes: int,
        wait_for_ready: bool | None,
        transport: Transport | None,
        http_client: Any,
    ) -> None:
        self.address = _addresses(address)
        instance("protocol", protocol, ProtocolType)
        self.protocol = protocol
        self.timeout_ms = None if timeout_ms is None else milliseconds(timeout_ms)
        self._is_blocking = is_blocking
        self.interceptors = _checked(interceptors, is_blocking) if interceptors else []
        _import_what_calls_need(is_blocking, intercepted=bool(self.interceptors))
        if codec is not None:
            having("codec", codec, *CODEC)
        self._codec = codec
        accepted = made_of(
            "accept_compression", () if accept_compression is None else accept_compression, *COMPRESSION
        )
        self._accept = [compression.name() for compression in accepted]
        if accept_compression is None:
            self._accept = ["gzip"] if protocol is ProtocolType.CONNECT else list(OF_GRPC)
        self._decompressions = own(accepted)
        if send_compression is not None:
            having("send_compression", send_compression, *COMPRESSION)
        self._send = send_compression
        whole_number("compress_min_bytes", compress_min_bytes, least=0)
        self._compress_min_bytes = min(compress_min_bytes, UNLIMITED)
        self._read_max_bytes = _read_limit(read_max_bytes)
        instance("wait_for_ready", wait_for_ready, bool, optional=True)
        self._operations: dict[int, Operation] = {}
        self.wait_for_ready = False
        self._starter: Callable[[MethodInfo[Any, Any]], Starter]
        self.is_closed = False
        """Of a client over somebody else's HTTP client, which is its owner's to close."""
        self.close: Callable[[], None] = self._be_closed
        if http_client is not None:
            if transport is not None:
                raise ValueError("a client has either a transport or an http_client")
            if is_blocking:
                from landbridge.client._carried_sync import starter  # noqa: PLC0415
            else:
                from landbridge.client._carried_async import starter  # noqa: PLC0415
            self._starter = starter(http_client, self)
            return
        from landbridge.client._transport import Transport  # noqa: PLC0415

        instance("transport", transport, Transport, optional=True)
        if transport is None:
            transport = Transport.default()
        self.wait_for_ready = transport.wait_for_ready if wait_for_ready is None else wait_for_ready
        core = transport._client(self.address, self.style())
        self.close = core.close
        self._starter = lambda method: core.method(
            method.service_name,
            method.name,
            kind=KINDS[method.stream_type],
            idempotent=method.idempotency_level is not IdempotencyLevel.UNKNOWN,
        )

    def _be_closed(self) -> None:
        self.is_closed = True

    def style(self) -> dict[str, Any]:
        """The same for the core."""
        return {
            "protocol": NAMES[self.protocol],
            "codec": "proto" if self._codec is None else self._codec.name(),
            "accept_compressions": self._accept,
            "send_compression": "identity" if self._send is None else self._send.name(),
            "compression_level": None if self._send is None else level_of(self._send),
            "compress_min_bytes": self._compress_min_bytes,
            "read_max_bytes": self._read_max_bytes,
            "user_agent": f"landbridge/{__version__}",
        }

    def operation(self, method: MethodInfo[Any, Any]) -> Operation:
        """The method as this client calls it."""
        known = self._operations.get(id(method))
        # The operation holds its method, so that no other has its identity.
        return self._new(method) if known is None else known

    def _new(self, method: MethodInfo[Any, Any]) -> Operation:
        from landbridge.client._operation import Operation  # noqa: PLC0415

        send = self._send
        operation = Operation(
            method,
            self._starter(method),
            codec=binary_codec_of(method.input) if self._codec is None else self._codec,
            send_compression=send if send is not None and is_own(send) else None,
            compressions=self._decompressions,
            read_max_bytes=self._read_max_bytes,
        )
        self._operations[id(method)] = operation
        return operation

    def context(
        self, method: MethodInfo[Any, Any], lines: Lines | None, timeout: float | None, use_get: bool = False
    ) -> CallContext:
        """A call, for its interceptors."""
        from landbridge.client._context import CallContext  # noqa: PLC0415

        return CallContext(self, method, lines, timeout, use_get)

    def around(self, operation: Operation, innermost: Callable[..., Any]) -> Callable[..., Any]:
        """The call with the interceptors around it."""
        if operation.function is None:
            from landbridge._operations.chain import around  # noqa: PLC0415

            stream_type = operation.method.stream_type
            operation.function = around(innermost, self.interceptors, stream_type, sync=self._is_blocking)
        return operation.function

    def timeout(self, timeout_ms: float | timedelta | None) -> float | None:
        """How long a call may take, in milliseconds.

        Raises `ConnectError` with `DEADLINE_EXCEEDED` where there is no time at all.
        """
        timeout = self.timeout_ms if timeout_ms is None else milliseconds(timeout_ms)
        if timeout is not None and timeout <= 0:
            raise ConnectError(Code.DEADLINE_EXCEEDED, "the deadline had passed before the call was made")
        return timeout


def _addresses(given: str | Sequence[str]) -> list[str]:
    """One or several, in a list. The core says what is wrong with each."""
    is_one = isinstance(given, (str, bytes)) or not hasattr(given, "__iter__")
    addresses: list[Any] = [given] if is_one else list(given)
    for address in addresses:
        if not isinstance(address, str):
            wanted = 'a str, as "http://127.0.0.1:8080", or a list of these'
            raise TypeError(f"the address is {described(address)}: it must be {wanted}")
    if not addresses:
        raise ValueError("no address of a server is given: at least one is needed")
    return addresses


def _read_limit(given: int | None) -> int:
    """The largest response message in bytes."""
    if given is None:
        return DEFAULT_READ_MAX_BYTES
    whole_number("read_max_bytes", given, least=1, unlimited=_NO_LIMIT)
    return UNLIMITED if given == _NO_LIMIT else min(given, UNLIMITED)


def _import_what_calls_need(is_blocking: bool, *, intercepted: bool) -> None:
    """Leave no import to the calls.

    A process that forks in the middle of one leaves the module's lock taken in the child, for ever.
    """
    from landbridge import codec, compat  # noqa: F401, PLC0415
    from landbridge.client import _operation  # noqa: F401, PLC0415

    if is_blocking:
        from landbridge.client import _streams_sync  # noqa: F401, PLC0415
    else:
        from landbridge.client import _loops, _streams  # noqa: F401, PLC0415
    if not intercepted:
        return
    from landbridge._operations import chain  # noqa: F401, PLC0415
    from landbridge.client import _context  # noqa: F401, PLC0415

    if is_blocking:
        from landbridge.client import _intercepted_sync  # noqa: F401, PLC0415
    else:
        from landbridge.client import _intercepted_async  # noqa: F401, PLC0415


def milliseconds(timeout: float | timedelta) -> float:
    """A time as a number. Raises `TypeError` or `ValueError` for what is no time."""
    wanted = "a number of milliseconds, a timedelta, or None for no limit"
    if isinstance(timeout, (int, float)) and not isinstance(timeout, bool):
        if not -_LONGEST_MS < timeout < _LONGEST_MS:
            raise ValueError(f"timeout_ms is {timeout}: it must be {wanted}")
        return timeout
    try:
        return timeout.total_seconds() * 1000  # type: ignore[union-attr]
    except AttributeError:
        raise TypeError(f"timeout_ms is {described(timeout)}: it must be {wanted}") from None


def lines_of(headers: GivenHeaders | None) -> Lines | None:
    """Headers as the core takes them. Raises `TypeError` for what are none."""
    return None if not headers else header_lines("headers", headers)


def _checked(interceptors: Iterable[Any], is_blocking: bool) -> list[Any]:
    from landbridge._operations.chain import checked  # noqa: PLC0415

    return checked(interceptors, sync=is_blocking)
