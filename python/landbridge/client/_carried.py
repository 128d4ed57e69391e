"""A call that another HTTP client carries, or an application in memory, in place of the transport.

`_httpx` and `_in_memory` are what can carry one. How its caller and its carrier wait for each other is told
by `_carried_async` and `_carried_sync`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from landbridge._core import PENDING, ClientExchange
from landbridge._kinds import KINDS, gives_stream
from landbridge.client._endings import GIVEN_UP, given_up
from landbridge.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Callable

    from landbridge._headers import Lines, RawLines
    from landbridge.client._configuration import Configuration
    from landbridge.method import MethodInfo

_ROOM = 64 << 10
"""Bytes of a request that may wait for the carrier."""


class CarrierError(Exception):
    """A carrier could not carry a call: the code and what happened."""


class CarriedStarter:
    """Starts calls of one method, each a `kind` that the `carrier` is given."""

    def __init__(
        self,
        kind: type[CarriedCall],
        carrier: Any,
        configuration: Configuration,
        method: MethodInfo[Any, Any],
    ) -> None:
        self._call: Callable[..., Any] = kind
        self._carrier = carrier
        self._configuration = configuration
        self._style = configuration.style()
        self._path = f"/{method.service_name}/{method.name}"
        self._kind = KINDS[method.stream_type]
        self._gives_stream = gives_stream(method.stream_type)

    def start(
        self,
        events: Any,  # noqa: ARG002
        ended: Any,
        message: Any,
        headers: Lines | None,
        timeout_ms: float | None,
        get: bool,
        wait_for_ready: bool,
        /,
    ) -> Any:
        """See `Starter`."""
        call = self.prepare(message, headers, timeout_ms, get, wait_for_ready)
        if ended is not None:
            call.when_ended(ended)
        call.begin()
        return call

    def prepare(
        self,
        message: Any,
        headers: Lines | None,
        timeout_ms: float | None,
        get: bool,
        wait_for_ready: bool,  # noqa: ARG002
        /,
    ) -> Any:
        """See `SyncStarter`."""
        if self._configuration.is_closed:
            raise RuntimeError("the client is closed")
        exchange = ClientExchange(
            self._style,
            path=self._path,
            kind=self._kind,
            headers=headers,
            timeout_ms=timeout_ms,
            get=get,
        )
        timeout = None if timeout_ms is None else timeout_ms / 1000
        call = self._call(exchange, self._carrier, timeout, self._gives_stream)
        if message is not None:
            exchange.send(message)
            exchange.close_send()
            call.half_closed = True
        return call


class CarriedCall:
    """One call between its caller, who has it as an `OutboundCall`, and its carrier. It never waits.

    What one of the two does may be what the other waits for, who is told so then. Both are on one event loop,
    or have a lock around everything. Only `cancel` may come in between, from any thread.
    """

    def __init__(
        self, exchange: ClientExchange, carrier: Any, timeout: float | None, gives_stream: bool
    ) -> None:
        self._exchange = exchange
        self._carrier = carrier
        self._timeout = timeout
        # A single response is taken when the call is over.
        self._waits_for_reader = gives_stream
        self._received: deque[Any] = deque()
        self._end: BaseException | None = None
        self._ended = False
        self.is_cancelled = False
        self.is_late = False
        self.half_closed = False
        self._waiting_bytes = 0
        self.head = exchange.head
        self.trailers = exchange.trailers

    # What differs by the way of waiting.

    _tell_caller: Callable[[], None]
    """Have the caller see again whether what it waits for is so."""

    _tell_written: Callable[[], None]
    """The same for the carrier, where it waits for more of the request."""

    _tell_taken: Callable[[], None]
    """The same, where it waits for the caller to take what has come."""

    def begin(self) -> None:
        """Have it carried."""
        raise NotImplementedError

    def _stop_carrier(self) -> None:
        """The caller wants no more: end the call and what carries it. From any thread, as `cancel`."""
        raise NotImplementedError

    def _content(self, content: bytes) -> Any:
        """The content of a request that comes bit by bit and this first; waits for more."""
        raise NotImplementedError

    # The carrier's side. It pushes the content of the response, too, and may have to wait in that.

    def _request(self) -> tuple[str, str, Lines, Any]:
        """What is to be carried: method, target, headers, content."""
        head, content, is_whole = self._exchange.take_request()
        # A stream has its head from the start, a unary call by its message.
        assert head is not None
        return *head, content if is_whole else self._content(content)

    def respond(self, status: int, headers: RawLines) -> None:
        """Take the head of the response."""
        self._exchange.respond(status, headers)
        self._read()
        self._tell_caller()

    def end(self, trailers: RawLines | None) -> None:
        """Take the end of the response."""
        self._exchange.end(trailers)
        self._read()
        self._tell_caller()

    def fail(self, error: Exception) -> None:
        """Take that it could not be carried, unless it had ended before."""
        if not self._ended:
            code, message = "unknown", f"the call could not be carried: {error}"
            if isinstance(error, CarrierError):
                code, message = error.args
            self.is_late = code == "deadline_exceeded"
            self._exchange.fail(code, message)
            self._read()
        self._tell_caller()

    def _run_out(self) -> None:
        self.fail(CarrierError("deadline_exceeded", "the call was not answered in time"))

    def _be_given_up(self) -> None:
        self.fail(CarrierError("canceled", GIVEN_UP))

    def _read(self) -> None:
        """Read what has come of the response."""
        while not self._ended:
            try:
                data = self._exchange.receive()
            except ConnectError as error:
                self._end = error
                self._ended = True
                return
            if data is PENDING:
                return
            if data is None:
                self._ended = True
            else:
                self._received.append(data)

    # The caller's side.

    def receive(self) -> Any:
        received = self._received
        if received:
            data = received.popleft()
            self._tell_taken()
            return data
        if not self._ended:
            return PENDING
        self.check()
        return None

    def answer(self) -> Any:
        self.check()
        return self._received.popleft() if self._received else None

    def send(self, message: Any) -> bool:
        if self._ended:
            self.check()
            raise EOFError("the server has ended the call and takes no more messages")
        if self.half_closed:
            raise EOFError("the request was ended and takes no more messages")
        self._exchange.send(message)
        self._waiting_bytes += len(message) if isinstance(message, bytes) else len(message.data)
        self._tell_written()
        return self._waiting_bytes < _ROOM

    def close_send(self) -> None:
        if not self.half_closed and not self._ended:
            self.half_closed = True
            self._exchange.close_send()
            self._tell_written()

    def check(self) -> None:
        if self._end is not None:
            raise self._end

    def cancel(self) -> None:
        if not self._ended:
            self.is_cancelled = True
            self._drop_received()
            self._stop_carrier()
        elif self._received and self._waits_for_reader:
            # What is left is dropped, and so this is not all.
            self.is_cancelled = True
            self._drop_received()
            self._end = given_up()

    def _drop_received(self) -> None:
        # In place of clearing it, under the hands of whoever takes from it.
        self._received = deque()

    @property
    def is_over(self) -> bool:
        return self._ended

    @property
    def response_encoding(self) -> str | None:
        return self._exchange.response_encoding

    # What the caller waits for, unless the call ends before.

    def _is_readable(self) -> bool:
        return bool(self._received)

    def _has_head(self) -> bool:
        return self.head() is not None

    def _has_room(self) -> bool:
        return self._waiting_bytes < _ROOM
