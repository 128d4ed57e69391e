"""Streams of the blocking client with interceptors around them."""

from __future__ import annotations

import queue
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from landbridge.client._streams_sync import Conversation, Direct
from landbridge.method import StreamType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from landbridge._headers import Headers
    from landbridge.client._blocking import ConnectClientSync
    from landbridge.client._context import CallContext
    from landbridge.client._operation import Operation

_END = object()


class Intercepted(Conversation):
    """Interceptors see iterators: what is sent one by one reaches them through a queue.

    They run where the response is received; until then a thread of the call's own runs them.
    """

    def __init__(
        self, client: ConnectClientSync, operation: Operation, request: Any, ctx: CallContext
    ) -> None:
        self._client = client
        self._operation = operation
        self._ctx = ctx
        self._given = request
        self._outgoing: queue.Queue[Any] | None = None
        self._incoming: queue.Queue[Any] = queue.Queue(1)
        self._direct: Direct | None = None
        self._responses: Iterator[Any] | None = None
        self._worker: threading.Thread | None = None
        self._reached = threading.Event()
        self._over = threading.Event()

    @property
    def _gets_one(self) -> bool:
        return self._operation.method.stream_type is StreamType.CLIENT_STREAM

    def begin(self) -> None:
        if self._responses is not None or self._worker is not None:
            return
        function = self._client._around(self._operation, _answer if self._gets_one else _responses)
        # One context belongs to one conversation; that is how the innermost function finds it.
        self._ctx.conversation = self
        if self._given is not None:
            if not self._gets_one:
                self._responses = iter(function(self._given, self._ctx))
            return
        self._outgoing = queue.Queue(1)
        work = self._work_for_one if self._gets_one else self._work
        self._worker = threading.Thread(
            target=copy_context().run, args=(work, function), name="landbridge-interceptors", daemon=True
        )
        self._worker.start()

    def _work_for_one(self, function: Any) -> None:
        try:
            self._give((function(self._queued(), self._ctx), None))
        except BaseException as error:
            self._give((None, error))
        finally:
            self._over.set()
            self._reached.set()

    def _work(self, function: Any) -> None:
        error: BaseException = EOFError("the stream has ended")
        try:
            for response in function(self._queued(), self._ctx):
                self._give((response, None))
        except BaseException as raised:
            error = raised
        self._over.set()
        self._reached.set()
        self._give((None, error))

    def _give(self, item: tuple[Any, BaseException | None]) -> None:
        self._incoming.put(item)

    def _queued(self) -> Iterator[Any]:
        outgoing = self._outgoing
        # Made before the thread that iterates.
        assert outgoing is not None
        while (message := outgoing.get()) is not _END:
            yield message

    def direct(self, request: Any) -> Direct:
        """The call itself, which the innermost function makes."""
        ctx = self._ctx
        direct = Direct(self._client, self._operation, request, ctx.lines(), ctx.timeout_ms, ctx)
        self._direct = direct
        direct.begin()
        self._reached.set()
        return direct

    def receive(self) -> Any:
        self.begin()
        if self._responses is not None:
            try:
                return next(self._responses)
            except StopIteration:
                raise EOFError("the stream has ended") from None
        response, error = self._incoming.get()
        if error is not None:
            # Whoever asks again is told again.
            self._incoming.put((None, error))
            raise error
        return response

    def only(self) -> Any:
        self.begin()
        if self._worker is None:
            function = self._client._around(self._operation, _answer)
            return function(self._given, self._ctx)
        return self.receive()

    def send(self, message: Any) -> None:
        self._put(message)

    def close_send(self) -> None:
        self._put(_END)

    def _put(self, item: Any) -> None:
        self.begin()
        if self._outgoing is None:
            raise RuntimeError("the messages of this call come from an iterator")
        while not self._over.is_set():
            try:
                self._outgoing.put(item, timeout=0.1)
            except queue.Full:
                continue
            return
        if item is not _END:
            raise EOFError("the server has ended the call and takes no more messages")

    def headers(self) -> Headers:
        self.begin()
        self._reached.wait()
        if self._direct is None:
            self.receive()
        assert self._direct is not None
        return self._direct.headers()

    def trailers(self) -> Headers:
        if self._direct is None:
            raise RuntimeError("the trailers come with the end of the stream, which has not come")
        return self._direct.trailers()

    def cancel(self) -> None:
        if self._direct is not None:
            self._direct.cancel()

    def close(self) -> None:
        self.cancel()
        if self._responses is not None:
            close = getattr(self._responses, "close", None)
            if close is not None:
                close()
        if self._outgoing is not None and not self._over.is_set():
            self._put(_END)


def _answer(request: Any, ctx: CallContext) -> Any:
    return ctx.conversation.direct(request).only()


def _responses(request: Any, ctx: CallContext) -> Iterator[Any]:
    direct = ctx.conversation.direct(request)
    try:
        while True:
            try:
                response = direct.receive()
            except EOFError:
                return
            yield response
    finally:
        direct.close()
