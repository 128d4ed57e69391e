"""How a call fails: `ConnectError` and its details."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, overload

from landbridge._message_codecs import is_googles
from landbridge._settings import described, instance
from landbridge.code import Code

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from google.protobuf.message import Message as GoogleMessage
    from protobuf import DescMessage, Message, Registry

    from landbridge._headers import Headers

__all__ = ["ConnectError", "ErrorDetail"]

_ANY = "google.protobuf.Any"


class _GoogleClass(Protocol):
    DESCRIPTOR: Any

    def FromString(self, data: bytes, /) -> GoogleMessage: ...  # noqa: N802


GM = TypeVar("GM", bound="GoogleMessage")
PM = TypeVar("PM", bound="Message")


class ErrorDetail:
    """A protobuf message that says more about an error, for programs to read.

    Made of a message of google's `protobuf` or of `protobuf-py`. A `google.protobuf.Any` stands for what it
    holds.
    """

    __slots__ = ("_bytes", "_message", "_type_name")

    def __init__(self, message: GoogleMessage | Message) -> None:
        self._message: object | None = message
        name, data = _packed(message)
        if name == _ANY:
            # Both kinds of `Any` have these fields.
            held = cast("Any", message)
            name, data = held.type_url.rpartition("/")[2], held.value
            self._message = None
        self._type_name = name
        self._bytes = data

    @classmethod
    def _of(cls, type_name: str, data: bytes) -> ErrorDetail:
        detail = cls.__new__(cls)
        detail._message = None
        detail._type_name = type_name.rpartition("/")[2]
        detail._bytes = data
        return detail

    @property
    def type_name(self) -> str:
        """The full name of the message, such as `google.rpc.RetryInfo`."""
        return self._type_name

    @property
    def message_bytes(self) -> bytes:
        """The message, serialized in binary."""
        return self._bytes

    @overload
    def value(self, desc_or_registry: None = None) -> GoogleMessage | Message | None: ...

    @overload
    def value(self, desc_or_registry: type[GM]) -> GM | None: ...

    @overload
    def value(self, desc_or_registry: type[PM]) -> PM | None: ...

    @overload
    def value(self, desc_or_registry: Registry | DescMessage) -> Message | None: ...

    def value(self, desc_or_registry: Any = None) -> Any:
        """The message itself.

        `desc_or_registry` says what to read it as: a message class of either library, or a registry or
        descriptor of `protobuf-py`. Without it, the message that this detail was made of, or one whose class
        google's default pool knows. `None` where the detail is of another type or cannot be read.
        """
        wanted = desc_or_registry
        if wanted is None:
            return (
                self._message
                if self._message is not None
                else _from_google_pool(self._type_name, self._bytes)
            )
        if is_googles(wanted):
            return self._as_google(wanted)
        if isinstance(wanted, type):
            known = cast("type[Message]", wanted)
            if known.desc().type_name != self._type_name:
                return None
            return _or_none(known.from_binary, self._bytes)
        return _from_protobuf_py(wanted, self._type_name, self._bytes)

    def _as_google(self, known: _GoogleClass) -> GoogleMessage | None:
        if known.DESCRIPTOR.full_name != self._type_name:
            return None
        if isinstance(self._message, cast("type", known)):
            return cast("GoogleMessage", self._message)
        return cast("GoogleMessage | None", _or_none(known.FromString, self._bytes))

    def __repr__(self) -> str:
        return f"ErrorDetail({self._type_name}, {len(self._bytes)} bytes)"


class ConnectError(Exception):
    """A failed call. Raised by a handler it goes to the caller as it is: code, message and details."""

    def __init__(
        self,
        code: Code,
        message: str,
        details: Iterable[GoogleMessage | Message | ErrorDetail] = (),
    ) -> None:
        """Make one to raise.

        Raises `TypeError` for a code that is no `Code`, a message that is no text, and details that are no
        protobuf messages: where they are given it can be seen why, and not where they are sent.

        Args:
            code: What kind of failure it is.
            message: What happened, for people.
            details: Messages that say more, for programs.
        """
        instance("code", code, Code)
        instance("message", message, str)
        super().__init__(message)
        self._code = code
        self._message = message
        # Some messages can be iterated over themselves.
        if _is_message(details) or isinstance(details, (str, bytes)) or not hasattr(details, "__iter__"):
            wanted = "a list of protobuf messages or ErrorDetails, as [RetryInfo()]"
            raise TypeError(f"details is {described(details)}: it must be {wanted}")
        self._details = [given if isinstance(given, ErrorDetail) else ErrorDetail(given) for given in details]
        self._headers: list[tuple[str, str]] = []
        self._trailers: list[tuple[str, str]] = []

    @property
    def code(self) -> Code:
        """What kind of failure it is."""
        return self._code

    @property
    def message(self) -> str:
        """What happened, for people."""
        return self._message

    @property
    def details(self) -> Sequence[ErrorDetail]:
        """Messages that say more, for programs."""
        return self._details

    @property
    def headers(self) -> Headers:
        """The headers of the response that a client got this error by; empty where none have come."""
        from landbridge._headers import Headers  # noqa: PLC0415

        return Headers._received(self._headers)

    @property
    def trailers(self) -> Headers:
        """The trailers of that response."""
        from landbridge._headers import Headers  # noqa: PLC0415

        return Headers._received(self._trailers)

    def __str__(self) -> str:
        return self._message

    def __repr__(self) -> str:
        return f"ConnectError({self._code}, {self._message!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        details = [(detail.type_name, detail.message_bytes) for detail in self._details]
        return _received, (self._code.value, self._message, details, self._headers, self._trailers)


def _received(
    code: str,
    message: str,
    details: list[tuple[str, bytes]],
    headers: list[tuple[str, str]],
    trailers: list[tuple[str, str]],
) -> ConnectError:
    """The error as it came over the wire."""
    error = ConnectError(Code(code), message, [ErrorDetail._of(name, data) for name, data in details])
    error._headers = headers
    error._trailers = trailers
    return error


def _given(error: ConnectError) -> tuple[str, str, list[tuple[str, bytes]]]:
    """The error as the core sends it."""
    details = [(detail.type_name, detail.message_bytes) for detail in error.details]
    return error.code.value, error.message, details


def _is_message(given: object) -> bool:
    """Whether it is a message of either library."""
    return hasattr(given, "SerializeToString") or hasattr(given, "to_binary")


def _packed(message: GoogleMessage | Message) -> tuple[str, bytes]:
    """The full name of a message, and its bytes."""
    descriptor = getattr(message, "DESCRIPTOR", None)
    if descriptor is not None and hasattr(message, "SerializeToString"):
        return str(descriptor.full_name), cast("GoogleMessage", message).SerializeToString()
    if hasattr(message, "to_binary"):
        known = cast("Message", message)
        return str(type(known).desc().type_name), known.to_binary()
    kind = type(message).__qualname__
    raise TypeError(f"an error detail is a protobuf message, not {kind}")


def _or_none(read: Any, data: bytes) -> object | None:
    """What `read` makes of the bytes, if they are what it expects."""
    try:
        return cast("object", read(data))
    except Exception:  # Each library has its own errors, and all mean the same here.
        return None


def _from_google_pool(name: str, data: bytes) -> object | None:
    """The message, if a class of its type was loaded."""
    if "google.protobuf.message" not in sys.modules:
        return None
    from google.protobuf import descriptor_pool, message_factory  # noqa: PLC0415

    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        return None
    return _or_none(message_factory.GetMessageClass(descriptor).FromString, data)


def _from_protobuf_py(known: Registry | DescMessage, name: str, data: bytes) -> object | None:
    """The message, as a registry or descriptor of protobuf-py has it."""
    from protobuf import Registry  # noqa: PLC0415
    from protobuf.wkt import Any as PackedAny  # noqa: PLC0415

    descriptor = known.message(name) if isinstance(known, Registry) else known
    if descriptor is None:
        return None
    packed = PackedAny(type_url=f"type.googleapis.com/{name}", value=data)
    return _or_none(packed.unpack, cast("Any", descriptor))
