"""Calls from threads."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from connectrpc.conformance.v1 import config_pb2
from landbridge.client import BidiStreamSync, Cancellation, ConnectClientSync, ResponseMetadata
from landbridge.errors import ConnectError

from tests.conformance.caller.answers import Answer
from tests.conformance.caller.cases import Case


def call(client: ConnectClientSync, case: Case) -> Any:
    """Make one call, and say what came of it."""
    make = _WAYS[case.stream_type]
    with ResponseMetadata() as metadata:
        answer = Answer(len(case.messages), metadata)
        try:
            make(getattr(client, case.method), case, answer)
        except ConnectError as error:
            answer.failed(error)
    return answer.result()


def _unary(method: Any, case: Case, answer: Answer) -> None:
    time.sleep(case.delay)
    [request] = case.messages
    answer.unsent = 0
    with Cancellation() as cancellation, _later(case.cancel.after_close_send, cancellation.cancel):
        response = method(request, **case.settings)
    answer.ended_with(response)


@contextmanager
def _later(seconds: float | None, cancel: Callable[[], None]) -> Iterator[None]:
    """Cancel by another thread, so many seconds from now if at all."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, cancel)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def _server_stream(method: Any, case: Case, answer: Answer) -> None:
    time.sleep(case.delay)
    [request] = case.messages
    with method(request, **case.settings) as stream:
        answer.unsent = 0
        if case.cancel.after_close_send is not None:
            time.sleep(case.cancel.after_close_send)
            stream.cancel()
        for response in stream:
            if answer.add(response) == case.cancel.after_responses:
                stream.cancel()
        answer.ended(stream.response_headers(), stream.response_trailers)


def _client_stream(method: Any, case: Case, answer: Answer) -> None:
    if not case.cancel.is_asked_for:
        response = method(_messages(case, answer), **case.settings)
        answer.ended_with(response)
        return
    with method(**case.settings) as stream:
        for message in _messages(case, answer):
            stream.send(message)
        if case.cancel.before_close_send:
            stream.cancel()
        if case.cancel.after_close_send is not None:
            stream.close_send()
            time.sleep(case.cancel.after_close_send)
            stream.cancel()
        answer.ended_with(stream.receive())


def _bidi_stream(method: Any, case: Case, answer: Answer) -> None:
    one_by_one = case.is_full_duplex or case.cancel.is_asked_for
    with method(None if one_by_one else _messages(case, answer), **case.settings) as stream:
        if one_by_one:
            _send_one_by_one(stream, case, answer)
        for response in stream:
            if answer.add(response) == case.cancel.after_responses:
                stream.cancel()
        answer.ended(stream.response_headers(), stream.response_trailers)


def _send_one_by_one(stream: BidiStreamSync[Any, Any], case: Case, answer: Answer) -> None:
    try:
        for message in _messages(case, answer):
            stream.send(message)
            if case.is_full_duplex and answer.add(stream.receive()) == case.cancel.after_responses:
                stream.cancel()
    except EOFError:
        # The server has ended the call without having seen everything.
        return
    if case.cancel.before_close_send:
        stream.cancel()
    stream.close_send()
    if case.cancel.after_close_send is not None:
        time.sleep(case.cancel.after_close_send)
        stream.cancel()


def _messages(case: Case, answer: Answer) -> Iterator[Any]:
    for message in case.messages:
        if case.delay:
            # Else no other thread is let in: servers of Go's over HTTP/1.1 read what is there of a request
            # when they begin to answer, and nothing after it.
            time.sleep(case.delay)
        yield message
        answer.unsent -= 1


_WAYS = {
    config_pb2.STREAM_TYPE_UNARY: _unary,
    config_pb2.STREAM_TYPE_CLIENT_STREAM: _client_stream,
    config_pb2.STREAM_TYPE_SERVER_STREAM: _server_stream,
    config_pb2.STREAM_TYPE_HALF_DUPLEX_BIDI_STREAM: _bidi_stream,
    config_pb2.STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM: _bidi_stream,
}
