"""Calls over an `httpx.Client`, or into an application in memory, in place of the transport."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol

from landbridge._core import PENDING, ClientExchange
from landbridge._kinds import KINDS, gives_stream
from landbridge.client._cancellation import may_be_given_up
from landbridge.client._carrier import ROOM, CarrierError, httpx_address, httpx_failures
from landbridge.client._endings import GIVEN_UP, given_up
from landbridge.client._in_memory import InMemory, InMemorySync
from landbridge.errors import ConnectError
from landbridge.protocol import ProtocolType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from landbridge._headers import Lines, RawLines
    from landbridge.client._configuration import Configuration
    from landbridge.method import MethodInfo


class AnswerSync(Protocol):
    """Takes a response as it comes."""

    def respond(self, status: int, headers: RawLines) -> None:
        """The head."""
        ...

    def push(self, data: bytes) -> None:
        """Content; waits while the caller has enough of it."""
        ...

    def end(self, trailers: RawLines | None) -> None:
        """The end."""
        ...


def starter(http_client: Any, configuration: Configuration) -> Callable[[MethodInfo[Any, Any]], _Starter]:
    """Starts calls over the client that was given. Raises `TypeError` for one that is not known."""
    if isinstance(http_client, InMemorySync):
        if configuration.protocol is ProtocolType.GRPC:
            raise ValueError("gRPC needs HTTP trailers, which WSGI does not have: use Connect or gRPC-Web")
        carrier: Any = http_client._carry
    elif isinstance(http_client, InMemory):
        raise TypeError("an InMemory application is called by an asynchronous client; give InMemorySync")
    else:
        carrier = _over_httpx(http_client, configuration)
    return lambda method: _Starter(carrier, configuration, method)


def _over_httpx(http_client: Any, configuration: Configuration) -> Any:
    import httpx  # noqa: PLC0415

    if not isinstance(http_client, httpx.Client):
        kind = type(http_client).__name__
        raise TypeError(f"http_client is an httpx.Client or an InMemorySync application, not {kind}")
    base = httpx_address(configuration)

    def carry(
        http_method: str,
        target: str,
        headers: Lines,
        content: Iterator[bytes] | bytes,
        timeout: float | None,
        answer: AnswerSync,
    ) -> None:
        limit = httpx.USE_CLIENT_DEFAULT if timeout is None else httpx.Timeout(timeout)
        request = http_client.build_request(
            http_method, base + target, headers=headers, content=content, timeout=limit
        )
        with httpx_failures(httpx):
            response = http_client.send(request, stream=True)
            try:
                answer.respond(response.status_code, response.headers.raw)
                for data in response.iter_raw():
                    answer.push(data)
                answer.end(None)
            finally:
                response.close()

    return carry


class _Starter:
    """Starts calls of one method."""

    def __init__(self, carrier: Any, configuration: Configuration, method: MethodInfo[Any, Any]) -> None:
        self._carrier = carrier
        self._configuration = configuration
        self._style = configuration.style()
        self._path = f"/{method.service_name}/{method.name}"
        self._kind = KINDS[method.stream_type]
        self._gives_stream = gives_stream(method.stream_type)

    def start(
        self,
        events: Any,  # noqa: ARG002
        ended: Any,  # noqa: ARG002
        message: Any,
        headers: Lines | None,
        timeout_ms: float | None,
        get: bool,
        wait_for_ready: bool,  # noqa: ARG002
        /,
    ) -> _Call:
        call = self._call(message, headers, timeout_ms, get)
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
    ) -> _Call:
        # Begun by the thread that waits for it.
        return self._call(message, headers, timeout_ms, get)

    def _call(self, message: Any, headers: Lines | None, timeout_ms: float | None, get: bool) -> _Call:
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
        call = _Call(exchange, self._carrier, timeout, self._gives_stream)
        if message is not None:
            exchange.send(message)
            exchange.close_send()
            call.half_closed = True
        return call


class _Call:
    """One call, as `SyncOutbound` has it."""

    def __init__(
        self, exchange: ClientExchange, carrier: Any, timeout: float | None, gives_stream: bool
    ) -> None:
        self._exchange = exchange
        self._carrier = carrier
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._received: deque[Any] = deque()
        self._end: BaseException | None = None
        self._ended = False
        self._cancelled = False
        self.is_cancelled = False
        self.is_late = False
        self._begun = False
        # A single response is taken when the call is over.
        self._waits_for_reader = gives_stream
        self.half_closed = False
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self.head = exchange.head
        self.trailers = exchange.trailers

    def begin(self) -> None:
        """Have it carried by a thread."""
        self._begun = True
        run = copy_context().run
        threading.Thread(target=run, args=(self._run,), name="landbridge-call", daemon=True).start()

    def _run(self) -> None:
        try:
            head, content, is_whole = self._exchange.take_request()
            # A stream has its head from the start, a unary call by its message.
            assert head is not None
            http_method, target, headers = head
            body = content if is_whole else self._content(content)
            self._carrier(http_method, target, headers, body, self._timeout, self)
        except CarrierError as failed:
            with self._changed:
                self.is_late = self.is_late or (failed.is_late and not self._ended)
            self._exchange.fail(*failed.args)
        except _GivenUpError:
            self._exchange.fail("canceled", GIVEN_UP)
        except Exception as error:
            self._exchange.fail("unknown", f"the call could not be carried: {error}")
        with self._changed:
            self._look()

    def _content(self, content: bytes) -> Iterator[bytes]:
        is_whole = False
        while True:
            if content:
                yield content
            if is_whole:
                return
            with self._changed:
                self._waiting_bytes = 0
                self._changed.notify_all()
                while True:
                    if self._cancelled:
                        raise _GivenUpError
                    _, content, is_whole = self._exchange.take_request()
                    if content or is_whole:
                        break
                    self._changed.wait()

    def respond(self, status: int, headers: RawLines) -> None:
        """Take the head of the response."""
        with self._changed:
            self._exchange.respond(status, headers)
            self._look()

    def push(self, data: bytes) -> None:
        """Take content of the response; waits while the caller has enough."""
        with self._changed:
            self._exchange.push(data)
            self._look()
            while self._waits_for_reader and self._received and not self._ended and not self._cancelled:
                self._changed.wait()
            if self._cancelled:
                raise _GivenUpError

    def end(self, trailers: RawLines | None) -> None:
        """Take the end of the response."""
        with self._changed:
            self._exchange.end(trailers)
            self._look()

    def _look(self) -> None:
        """See what has come."""
        while not self._ended:
            try:
                data = self._exchange.receive()
            except ConnectError as error:
                self._end = error
                self._ended = True
                break
            if data is PENDING:
                break
            if data is None:
                self._ended = True
            else:
                self._received.append(data)
        self._changed.notify_all()

    def _wait(self, is_so: Callable[[], bool]) -> None:
        with self._changed:
            while not self._ended and not is_so():
                left = None if self._deadline is None else self._deadline - time.monotonic()
                if left is not None and left <= 0:
                    self._exchange.fail("deadline_exceeded", "the call was not answered in time")
                    self.is_late = self._cancelled = True
                    self._look()
                    break
                self._changed.wait(left)

    def receive(self) -> Any:
        with self._changed:
            if self._received:
                data = self._received.popleft()
                self._changed.notify_all()
                return data
            if not self._ended:
                return PENDING
        self.check()
        return None

    def receive_blocking(self) -> Any:
        self._wait(lambda: bool(self._received))
        return self.receive()

    def answer(self) -> Any:
        self.check()
        return self._received.popleft() if self._received else None

    def answer_blocking(self) -> Any:
        if not self._begun:
            if self._deadline is not None or may_be_given_up():
                self.begin()
            else:
                # There is nothing else to wait for.
                self._run()
        self._wait(lambda: False)
        return self.answer()

    def check(self) -> None:
        if self._end is not None:
            raise self._end

    @property
    def is_over(self) -> bool:
        return self._ended

    @property
    def response_encoding(self) -> str | None:
        return self._exchange.response_encoding

    def send(self, message: Any) -> bool:
        with self._changed:
            if self._ended:
                self.check()
                raise EOFError("the server has ended the call and takes no more messages")
            if self.half_closed:
                raise EOFError("the request was ended and takes no more messages")
            self._exchange.send(message)
            self._waiting_bytes += len(message) if isinstance(message, bytes) else len(message.data)
            self._changed.notify_all()
            return self._waiting_bytes < ROOM

    def close_send(self) -> None:
        with self._changed:
            if not self.half_closed and not self._ended:
                self.half_closed = True
                self._exchange.close_send()
                self._changed.notify_all()

    def wait_for_room_blocking(self) -> None:
        self._wait(lambda: self._waiting_bytes < ROOM)

    def wait_for_head_blocking(self) -> None:
        self._wait(lambda: self.head() is not None)

    def cancel(self) -> None:
        with self._changed:
            if not self._ended:
                self.is_cancelled = self._cancelled = True
                self._received.clear()
                self._exchange.fail("canceled", GIVEN_UP)
                self._look()
            elif self._received and self._waits_for_reader:
                # What is left is dropped, and so this is not all.
                self.is_cancelled = True
                self._received.clear()
                self._end = given_up()


class _GivenUpError(Exception):
    """The caller has given the call up."""
