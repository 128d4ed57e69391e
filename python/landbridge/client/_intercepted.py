"""A stream with interceptors around it, which see iterators of messages.

    send ─> Way ─> iterator ─> interceptors ─> the call itself
    receive <─ Way <─ iterator <─ interceptors <─ the call itself

Who runs the interceptors, and how the ends wait for them, is told by `_intercepted_async` and
`_intercepted_sync`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any
from weakref import ref

from landbridge._core import PENDING
from landbridge.client._endings import given_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from landbridge._headers import Headers
    from landbridge.client._configuration import Configuration
    from landbridge.client._context import CallContext
    from landbridge.client._operation import Operation


class Intercepted:
    """What is known of one such stream, in either client."""

    _outgoing: Any
    """The way of messages that are sent one by one; none where they come from an iterator."""

    _incoming: Any
    """The way of what comes out of the interceptors."""

    def __init__(self, client: Any, operation: Operation, request: Any, ctx: CallContext) -> None:
        self._client = client
        self._operation = operation
        self._ctx = ctx
        self._given = request
        self._wire: Any = None
        """The call itself, once the innermost function has made it."""
        self._is_given_up = False

    @property
    def _gets_one(self) -> bool:
        return not self._operation.gives_stream

    def _around(self, answer: Callable[..., Any], responses: Callable[..., Any]) -> Callable[..., Any]:
        """The innermost function for its kind of response, with the interceptors around it."""
        # One context belongs to one conversation; that is how the innermost function finds it. It does not
        # keep it, so that a stream that is dropped ends what is done for it.
        self._ctx.conversation = ref(self)
        configuration: Configuration = self._client._configuration
        return configuration.around(self._operation, answer if self._gets_one else responses)

    def _no_more(self) -> EOFError:
        return EOFError("the response was taken before" if self._gets_one else "the stream has ended")

    def _sending(self) -> Any:
        self.begin()
        if self._outgoing is None:
            raise RuntimeError("the messages of this call come from an iterator")
        return self._outgoing

    def _nobody_takes(self) -> EOFError:
        """Why a message cannot be sent. Raises it where the call has failed."""
        self._incoming.check()
        return EOFError("the server has ended the call and takes no more messages")

    def begin(self) -> None:
        """Have the interceptors run, unless they do."""
        raise NotImplementedError

    def trailers(self) -> Headers:
        if self._wire is None:
            raise RuntimeError("the trailers come with the end of the stream, which has not come")
        trailers: Headers = self._wire.trailers()
        return trailers


def on_the_wire(request: Any, ctx: CallContext) -> Any:
    """The call itself, for the innermost function."""
    conversation = ctx.conversation()
    if conversation is None:
        raise given_up()
    return conversation.make(request)


class NobodyTakesError(Exception):
    """What is put in would not be taken out any more."""


class Way:
    """Takes messages from one side to the other, one at a time. Either may end it. It never waits."""

    __slots__ = ("_end", "_is_closed", "_waiting")

    _tell: Callable[[], None]
    """Have both sides look again."""

    def __init__(self) -> None:
        self._waiting: deque[Any] = deque()
        self._end: BaseException | None = None
        self._is_closed = False

    def offer(self, message: Any) -> bool:
        """Put a message in, and say whether there was room.

        Raises what it was ended with, and `NobodyTakesError` once it is closed.
        """
        if self._end is not None:
            raise self._end
        if self._is_closed:
            raise NobodyTakesError
        if self._waiting:
            return False
        self._waiting.append(message)
        self._tell()
        return True

    def take(self) -> Any:
        """A message, or `PENDING`. Raises what it was ended with after the last."""
        waiting = self._waiting
        if waiting:
            message = waiting.popleft()
            self._tell()
            return message
        if self._end is not None:
            raise self._end
        return PENDING

    def end(self, end: BaseException) -> None:
        """No more is put in: `take` raises this after the last."""
        if self._end is None:
            self._end = end
            self._tell()

    def close(self) -> None:
        """No more is taken out. What is left is dropped, and was not all then."""
        self.abandon()
        self._tell()

    def abandon(self) -> None:
        """As `close`, without a word to the sides, which are told otherwise. From any thread."""
        self._is_closed = True
        if self._waiting:
            # In place of clearing it, under the hands of whoever takes from it.
            self._waiting = deque()
            if self._end is not None:
                self._end = given_up()

    def check(self) -> None:
        """Raise what went wrong, if it did."""
        if self._end is not None and not isinstance(self._end, EOFError):
            raise self._end
