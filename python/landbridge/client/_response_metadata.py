"""What comes with a response besides its messages."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from landbridge._headers import Headers

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType
    from typing import Self

    from landbridge.client._outbound import OutboundCall

_current: ContextVar[ResponseMetadata | None] = ContextVar("landbridge_response_metadata", default=None)


class ResponseMetadata:
    """The HTTP status, headers and trailers of the last call that is made inside of its `with` block.

    ```
    with ResponseMetadata() as metadata:
        await client.say(request)
    metadata.headers["x-served-by"]
    ```
    """

    __slots__ = ("_headers", "_http_status", "_token", "_trailers")

    def __init__(self) -> None:
        self._http_status: int | None = None
        self._headers: Headers | None = None
        self._trailers: Headers | None = None
        self._token: Token[ResponseMetadata | None] | None = None

    @property
    def http_status(self) -> int | None:
        """The HTTP status; `None` where no response has come."""
        return self._http_status

    @property
    def headers(self) -> Headers:
        """The server's own headers; empty where none have come."""
        return Headers() if self._headers is None else self._headers

    @property
    def trailers(self) -> Headers:
        """The server's own trailers; empty where none have come."""
        return Headers() if self._trailers is None else self._trailers

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token, self._token = self._token, None
        if token is not None:
            try:
                _current.reset(token)
            except ValueError:
                # It was entered in another context, such as another task's, which has ended with it.
                _current.set(None)

    def _take(self, call: OutboundCall) -> None:
        """Take down what is known of a call."""
        head = call.head()
        if head is not None:
            self._http_status = head[0]
            self._headers = Headers._received(head[1])
        trailers = call.trailers()
        if trailers is not None:
            self._trailers = Headers._received(trailers)


def wanted() -> ResponseMetadata | None:
    """Who wants to know about the calls of this context."""
    return _current.get()
