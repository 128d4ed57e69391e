"""grpc-python servers that answer with raw bytes, and remember what reached them."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc

Answer = Callable[[list[bytes], grpc.ServicerContext], Iterable[bytes]]
"""From the messages of a call to the messages of its answer."""


@dataclass(frozen=True)
class Call:
    """A call that reached the server."""

    method: str
    messages: list[bytes]
    metadata: Sequence[tuple[str, str | bytes]]

    def metadata_values(self, key: str) -> list[str | bytes]:
        """Return all values of one metadata key."""
        return [value for name, value in self.metadata if name == key]


@dataclass
class Backend:
    """A running server."""

    port: int = 0
    calls: list[Call] = field(default_factory=list)
    """All calls so far, in the order in which their requests ended."""


class _AnyMethod(grpc.GenericRpcHandler):
    """Answers every method, with whatever number of messages."""

    def __init__(self, backend: Backend, answer: Answer) -> None:
        self._backend = backend
        self._answer = answer

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        def respond(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            messages = list(requests)
            self._backend.calls.append(Call(details.method, messages, tuple(context.invocation_metadata())))
            yield from self._answer(messages, context)

        return grpc.stream_stream_rpc_method_handler(respond)


@contextmanager
def raw_backend(answer: Answer) -> Iterator[Backend]:
    """Run a server that answers every call with `answer`. It has no reflection."""
    backend = Backend()
    server = grpc.server(ThreadPoolExecutor(max_workers=32), handlers=[_AnyMethod(backend, answer)])
    backend.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield backend
    finally:
        server.stop(grace=None).wait()


class Gate:
    """Holds calls in their handlers until a test lets them go."""

    def __init__(self) -> None:
        self._waiting = 0
        self._open = False
        self._changed = threading.Condition()

    def wait_in_handler(self) -> None:
        """Wait until the gate is opened."""
        with self._changed:
            self._waiting += 1
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._open, timeout=30)

    def await_calls(self, count: int) -> None:
        """Wait until so many calls are held."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._waiting >= count, timeout=30)

    def open(self) -> None:
        """Let all calls go, also those to come."""
        with self._changed:
            self._open = True
            self._changed.notify_all()
