"""One method as an application serves it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from landbridge._kinds import gives_stream, takes_stream
from landbridge._settings import described
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.method import IdempotencyLevel, StreamType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from landbridge.codec import Codec
    from landbridge.compression import Compression
    from landbridge.method import MethodInfo

__all__ = ["Operation", "UnexpectedResponseError"]


class UnexpectedResponseError(TypeError):
    """A handler has given something else than its method's responses."""


class Operation:
    """A method, with everything about it decided: how to read, what to call, how to write."""

    __slots__ = (
        "before",
        "codecs",
        "compressions",
        "function",
        "gives_stream",
        "input",
        "is_async",
        "method",
        "output",
        "read_max_bytes",
        "shows_exceptions",
        "stream_type",
        "takes_stream",
    )

    def __init__(
        self,
        method: MethodInfo[Any, Any],
        function: Callable[..., Any],
        *,
        codecs: Mapping[str, Codec[Any, Any]],
        compressions: Mapping[str, Compression],
        read_max_bytes: int,
        before: Sequence[Any],
        is_async: bool,
        shows_exceptions: bool,
    ) -> None:
        self.method = method
        """What the schema says."""
        self.function = function
        """The handler, with its interceptors around it."""
        self.codecs = codecs
        """By name."""
        self.compressions = compressions
        """Those that the application does itself, by name; usually none."""
        self.read_max_bytes = read_max_bytes
        self.before = before
        """Metadata interceptors that run before the request is read."""
        self.is_async = is_async
        """Whether the handler runs in an event loop, not on a thread."""
        self.shows_exceptions = shows_exceptions
        """Whether callers see the text of exceptions that are no `ConnectError`."""
        self.stream_type = method.stream_type
        # Known here, because every call asks.
        self.takes_stream = takes_stream(method.stream_type)
        self.gives_stream = gives_stream(method.stream_type)
        self.input: type[Any] = method.input
        self.output: type[Any] = method.output

    @property
    def path(self) -> str:
        """As callers have it."""
        return f"/{self.method.service_name}/{self.method.name}"

    @property
    def is_idempotent_get(self) -> bool:
        """Whether it may be called by GET."""
        return (
            self.stream_type is StreamType.UNARY
            and self.method.idempotency_level is IdempotencyLevel.NO_SIDE_EFFECTS
        )

    def decode(self, codec: str, data: bytes) -> Any:
        """The request message in these bytes.

        Raises `ConnectError` with `INVALID_ARGUMENT` where there is none.
        """
        try:
            return self.codecs[codec].decode(data, self.input)
        except ConnectError:
            raise
        except Exception as error:
            name = self.method.input.__name__
            message = f"the request is no {name} in {codec}: {error}"
            raise ConnectError(Code.INVALID_ARGUMENT, message) from error

    def encode(self, codec: str, response: Any) -> bytes:
        """The bytes of a response message.

        Raises `UnexpectedResponseError` where it is none of the method's.
        """
        if not isinstance(response, self.output):
            given, wanted = described(response), self.output.__name__
            raise UnexpectedResponseError(
                f"the handler of {self.path} gave {given}, where a {wanted} belongs"
            )
        return self.codecs[codec].encode(response)

    def stream(self, responses: Any) -> Any:
        """The responses of a handler. Raises `UnexpectedResponseError` where they are no iterator."""
        if not hasattr(responses, "__aiter__" if self.is_async else "__iter__"):
            if inspect.iscoroutine(responses):
                responses.close()
            kind = "an asynchronous iterator" if self.is_async else "an iterator"
            raise UnexpectedResponseError(
                f"the handler of {self.path} gave {described(responses)}, where {kind} of "
                f"{self.output.__name__} belongs: yield each response"
            )
        return responses
