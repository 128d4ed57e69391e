"""How a thread waits for a call that is carried: another thread carries it, or itself where it may."""

from __future__ import annotations

import threading
import time
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from landbridge.client._cancellation import may_be_given_up
from landbridge.client._carried import CarriedCall, CarriedStarter
from landbridge.client._httpx import over_httpx_sync
from landbridge.client._in_memory import InMemory, InMemorySync
from landbridge.protocol import ProtocolType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from landbridge._core import ClientExchange
    from landbridge._headers import RawLines
    from landbridge.client._configuration import Configuration
    from landbridge.method import MethodInfo


def starter(
    http_client: Any, configuration: Configuration
) -> Callable[[MethodInfo[Any, Any]], CarriedStarter]:
    """Starts calls over the client that was given. Raises `TypeError` for one that is not known."""
    if isinstance(http_client, InMemorySync):
        if configuration.protocol is ProtocolType.GRPC:
            raise ValueError("gRPC needs HTTP trailers, which WSGI does not have: use Connect or gRPC-Web")
        carrier: Any = http_client._carry
    elif isinstance(http_client, InMemory):
        raise TypeError("an InMemory application is called by an asynchronous client; give InMemorySync")
    else:
        carrier = over_httpx_sync(http_client, configuration)
    return lambda method: CarriedStarter(SyncCarriedCall, carrier, configuration, method)


class SyncCarriedCall(CarriedCall):
    """One call, as `SyncOutbound` has it.

    The lock lets the same thread in again: the garbage collector may find a call dropped, and cancel it, in
    the middle of something.
    """

    def __init__(
        self, exchange: ClientExchange, carrier: Any, timeout: float | None, gives_stream: bool
    ) -> None:
        super().__init__(exchange, carrier, timeout, gives_stream)
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._begun = False
        self._is_stopped = False
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._tell_caller = self._tell_written = self._tell_taken = self._changed.notify_all

    def begin(self) -> None:
        self._begun = True
        run = copy_context().run
        threading.Thread(target=run, args=(self._run,), name="landbridge-call", daemon=True).start()

    def _run(self) -> None:
        try:
            self._carrier(*self._request(), self._timeout, self)
        except Exception as error:
            self.fail(error)

    def _stop_carrier(self) -> None:
        self._is_stopped = True
        self._be_given_up()

    def _content(self, content: bytes) -> Iterator[bytes]:
        is_whole = False
        while True:
            if content:
                yield content
            if is_whole:
                return
            with self._lock:
                self._waiting_bytes = 0
                self._tell_caller()
                while True:
                    if self._is_stopped:
                        raise _StoppedError
                    _, content, is_whole = self._exchange.take_request()
                    if content or is_whole:
                        break
                    self._changed.wait()

    def respond(self, status: int, headers: RawLines) -> None:
        with self._lock:
            super().respond(status, headers)

    def push(self, data: bytes) -> None:
        """Take content of the response; waits while the caller has enough of it."""
        with self._lock:
            self._exchange.push(data)
            self._read()
            self._tell_caller()
            while self._waits_for_reader and self._received and not self._ended:
                self._changed.wait()
            if self._is_stopped:
                raise _StoppedError

    def end(self, trailers: RawLines | None) -> None:
        with self._lock:
            super().end(trailers)

    def fail(self, error: Exception) -> None:
        with self._lock:
            super().fail(error)

    def receive(self) -> Any:
        with self._lock:
            return super().receive()

    def send(self, message: Any) -> bool:
        with self._lock:
            return super().send(message)

    def close_send(self) -> None:
        with self._lock:
            super().close_send()

    def cancel(self) -> None:
        with self._lock:
            super().cancel()

    def receive_blocking(self) -> Any:
        self._wait(self._is_readable)
        return self.receive()

    def answer_blocking(self) -> Any:
        if not self._begun:
            if self._deadline is not None or may_be_given_up():
                self.begin()
            else:
                # There is nothing else to wait for.
                self._run()
        self._wait(lambda: False)
        return self.answer()

    def wait_for_room_blocking(self) -> None:
        self._wait(self._has_room)

    def wait_for_head_blocking(self) -> None:
        self._wait(self._has_head)

    def _wait(self, is_so: Callable[[], bool]) -> None:
        with self._lock:
            while not self._ended and not is_so():
                left = None if self._deadline is None else self._deadline - time.monotonic()
                if left is not None and left <= 0:
                    self._run_out()
                    self._is_stopped = True
                    break
                self._changed.wait(left)


class _StoppedError(Exception):
    """Has a carrier leave a call that was ended here."""
