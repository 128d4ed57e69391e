"""Streams of the blocking client. Their ends may be used by different threads."""

from __future__ import annotations

import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from landbridge._headers import Headers
from landbridge.client._cancellation import covered
from landbridge.client._endings import given_up
from landbridge.client._response_metadata import wanted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import timedelta
    from types import TracebackType
    from typing import Self

    from landbridge._headers import Lines
    from landbridge.client._blocking import ConnectClientSync
    from landbridge.client._operation import Operation
    from landbridge.client._outbound import SyncOutbound
    from landbridge.method import MethodInfo

__all__ = ["BidiStreamSync", "ClientStreamSync", "ServerStreamSync"]

REQ = TypeVar("REQ")
RES = TypeVar("RES")


class _Stream:
    """A call that is under way, and what all its kinds have."""

    __slots__ = ("_call",)

    def __init__(self, conversation: Conversation) -> None:
        self._call = conversation

    def response_headers(self) -> Headers:
        """The server's headers; waits until they have come.

        Raises `ConnectError` where the call fails before.
        """
        return self._call.headers()

    @property
    def response_trailers(self) -> Headers:
        """The server's trailers. Raises `RuntimeError` before the stream has ended."""
        return self._call.trailers()

    def cancel(self) -> None:
        """Give the call up, unless all of it was taken. Any thread may do so: whoever waits is told by
        `ConnectError`.
        """
        self._call.cancel()

    def close(self) -> None:
        """End the call: what is not over is cancelled. Leaving `with` does this."""
        self._call.close()

    def __enter__(self) -> Self:
        self._call.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call.close()

    def __del__(self) -> None:
        # The thread that works for it would keep the call alive.
        self._call.cancel()


class ServerStreamSync(_Stream, Generic[RES]):
    """The responses of a call: an iterator, which `with` ends early."""

    __slots__ = ()

    def __iter__(self) -> Iterator[RES]:
        return self

    def __next__(self) -> RES:
        try:
            response: RES = self._call.receive()
        except EOFError:
            raise StopIteration from None
        except BaseException:
            # Who iterates is done with it, however that came about.
            self._call.cancel()
            raise
        return response

    def receive(self) -> RES:
        """The next message; waits for it.

        Raises `EOFError` after the last, and `ConnectError` where the call fails.
        """
        response: RES = self._call.receive()
        return response


class BidiStreamSync(ServerStreamSync[RES], Generic[REQ, RES]):
    """A call with a stream each way, both of which may be open at once."""

    __slots__ = ()

    def send(self, message: REQ) -> None:
        """Send a message; waits until there is room.

        Raises `EOFError` where the call has ended well or its sending side was closed, `ConnectError` where
        it has failed, and `RuntimeError` where messages come from an iterator.
        """
        self._call.send(message)

    def close_send(self) -> None:
        """Say that no message follows (half-close)."""
        self._call.close_send()


class ClientStreamSync(_Stream, Generic[REQ, RES]):
    """A call with a stream of requests and one response."""

    __slots__ = ()

    def send(self, message: REQ) -> None:
        """As `BidiStreamSync.send`."""
        self._call.send(message)

    def close_send(self) -> None:
        """Say that no message follows (half-close)."""
        self._call.close_send()

    def receive(self) -> RES:
        """The response; says first that no message follows.

        Raises `ConnectError` where the call fails, and `EOFError` where the response was taken before.
        """
        self._call.close_send()
        response: RES = self._call.only()
        return response


def converse(
    client: ConnectClientSync,
    method: MethodInfo[Any, Any],
    request: Any,
    lines: Lines | None,
    timeout_ms: float | timedelta | None,
) -> Conversation:
    """A call that starts when it is first used."""
    configuration = client._configuration
    operation = configuration.operation(method)
    timeout = configuration.timeout(timeout_ms)
    if not configuration.interceptors:
        return WireConversation(client, operation, request, lines, timeout)
    from landbridge.client._intercepted_sync import SyncIntercepted  # noqa: PLC0415

    return SyncIntercepted(client, operation, request, configuration.context(method, lines, timeout))


class Conversation:
    """The two ways of one call."""

    __slots__ = ()

    def begin(self) -> None:
        """Start the call, unless it has been."""
        raise NotImplementedError

    def receive(self) -> Any:
        """The next message; raises `EOFError` after the last."""
        raise NotImplementedError

    def only(self) -> Any:
        """The one response of the call, which is over then."""
        raise NotImplementedError

    def send(self, message: Any) -> None:
        """Send a message."""
        raise NotImplementedError

    def close_send(self) -> None:
        """Half-close."""
        raise NotImplementedError

    def headers(self) -> Headers:
        """The headers of the response."""
        raise NotImplementedError

    def trailers(self) -> Headers:
        """Its trailers."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Give it up."""
        raise NotImplementedError

    def close(self) -> None:
        """Give it up, and wait for what works for it."""
        raise NotImplementedError


class WireConversation(Conversation):
    """Without interceptors: what is sent and received is on the wire."""

    __slots__ = (
        "_call",
        "_client",
        "_context",
        "_failed",
        "_is_given_up",
        "_lines",
        "_operation",
        "_request",
        "_sender",
        "_starting",
        "_timeout",
    )

    def __init__(
        self,
        client: ConnectClientSync,
        operation: Operation,
        request: Any,
        lines: Lines | None,
        timeout: float | None,
        context: Any = None,
    ) -> None:
        self._client = client
        self._operation = operation
        self._request = request
        self._lines = lines
        self._timeout = timeout
        self._context = context
        self._call: SyncOutbound | None = None
        self._sender: threading.Thread | None = None
        self._failed: BaseException | None = None
        self._starting = threading.Lock()
        self._is_given_up = False

    def begin(self) -> None:
        self._started()

    def _started(self) -> SyncOutbound:
        with self._starting:
            if self._call is not None:
                return self._call
            if self._is_given_up:
                raise given_up()
            operation, request = self._operation, self._request
            call: SyncOutbound = operation.starter.start(
                None,
                None,
                None if operation.takes_stream else operation.encode(request),
                self._lines,
                self._timeout,
                False,
                self._client._configuration.wait_for_ready,
            )
            self._call = call
            if self._context is not None:
                self._context.begin(call)
            covered(call)
            if request is not None and operation.takes_stream and operation.gives_stream:
                self._sender = threading.Thread(
                    target=copy_context().run,
                    args=(self._send_all, call, request),
                    name="landbridge-requests",
                    daemon=True,
                )
                self._sender.start()
            if self._is_given_up:
                call.cancel()
            return call

    def receive(self) -> Any:
        call = self._call or self._started()
        try:
            data = call.receive_blocking()
        except BaseException:
            self._take(call)
            if self._failed is not None:
                raise self._failed from None
            raise
        if data is None:
            self._take(call)
            raise EOFError("the stream has ended")
        return self._operation.decode(data, call)

    def only(self) -> Any:
        call = self._call or self._started()
        try:
            if self._request is not None:
                self._send_all(call, self._request)
                if self._failed is not None:
                    raise self._failed
            answer = call.answer_blocking()
        finally:
            call.cancel()
            self._take(call)
        if answer is None:
            raise EOFError("the response was taken before")
        return self._operation.decode(answer, call)

    def send(self, message: Any) -> None:
        if self._request is not None:
            raise RuntimeError("the messages of this call come from an iterator")
        self._put(self._call or self._started(), message)

    def _put(self, call: SyncOutbound, message: Any) -> None:
        if not call.send(self._operation.encode(message)):
            call.wait_for_room_blocking()

    def close_send(self) -> None:
        if self._request is not None:
            raise RuntimeError("the messages of this call come from an iterator")
        (self._call or self._started()).close_send()

    def headers(self) -> Headers:
        call = self._call or self._started()
        if call.head() is None:
            call.wait_for_head_blocking()
        head = call.head()
        if head is None:
            call.check()
            return Headers()
        return Headers._received(head[1])

    def trailers(self) -> Headers:
        trailers = None if self._call is None else self._call.trailers()
        if trailers is None:
            raise RuntimeError("the trailers come with the end of the stream, which has not come")
        return Headers._received(trailers)

    def cancel(self) -> None:
        # From any thread; one in which the call begins right now looks at this behind that.
        self._is_given_up = True
        if self._call is not None:
            self._call.cancel()

    def close(self) -> None:
        self.cancel()

    def _send_all(self, call: SyncOutbound, request: Iterable[Any]) -> None:
        """Send what an iterator gives. What it raises fails the call."""
        from landbridge.errors import ConnectError  # noqa: PLC0415

        try:
            try:
                for message in request:
                    self._put(call, message)
            finally:
                close = getattr(request, "close", None)
                if close is not None:
                    close()
            call.close_send()
        except EOFError:
            # The server needs no more to end the call.
            return
        except BaseException as error:
            if isinstance(error, ConnectError) and call.is_over:
                # It is the call's own end, which whoever receives is told.
                return
            self._failed = error
            call.cancel()

    def _take(self, call: SyncOutbound) -> None:
        metadata = wanted()
        if metadata is not None:
            metadata._take(call)
        if self._context is not None:
            self._context.take(call)
