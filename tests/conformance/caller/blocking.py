"""Calls from threads."""

import threading
import time
from collections.abc import Iterator
from typing import Any

from landbridge.client import BidiStreamSync, Cancellation, ConnectClientSync, ResponseMetadata
from landbridge.errors import ConnectError
from landbridge.method import StreamType

from tests.conformance.caller.answers import Answer
from tests.conformance.caller.cases import Case


def call(client: ConnectClientSync, case: Case) -> Any:
    """Make one call, and say what came of it."""
    make = {
        StreamType.UNARY: _unary,
        StreamType.CLIENT_STREAM: _client_stream,
        StreamType.SERVER_STREAM: _server_stream,
        StreamType.BIDI_STREAM: _bidi_stream,
    }[case.method.stream_type]
    with ResponseMetadata() as metadata:
        answer = Answer(len(case.messages), metadata)
        try:
            make(client, case, answer)
        except ConnectError as error:
            answer.failed(error)
    return answer.result()


def _unary(client: ConnectClientSync, case: Case, answer: Answer) -> None:
    time.sleep(case.delay)
    [request] = case.messages
    answer.unsent = 0
    with Cancellation() as cancellation:
        if case.cancel.after_close_send is not None:
            threading.Timer(case.cancel.after_close_send, cancellation.cancel).start()
        response = client.execute_unary(
            request=request,
            method=case.method,
            headers=case.headers,
            timeout_ms=case.timeout_ms,
            use_get=case.use_get,
        )
    answer.ended_with(response)


def _server_stream(client: ConnectClientSync, case: Case, answer: Answer) -> None:
    time.sleep(case.delay)
    [request] = case.messages
    with client.execute_server_stream(
        request=request, method=case.method, headers=case.headers, timeout_ms=case.timeout_ms
    ) as stream:
        answer.unsent = 0
        if case.cancel.after_close_send is not None:
            time.sleep(case.cancel.after_close_send)
            stream.cancel()
        for response in stream:
            if answer.add(response) == case.cancel.after_responses:
                stream.cancel()
        answer.ended(stream.response_headers(), stream.response_trailers)


def _client_stream(client: ConnectClientSync, case: Case, answer: Answer) -> None:
    if not case.cancel.is_asked_for:
        response = client.execute_client_stream(
            request=_messages(case, answer),
            method=case.method,
            headers=case.headers,
            timeout_ms=case.timeout_ms,
        )
        answer.ended_with(response)
        return
    with client.execute_client_stream(
        method=case.method, headers=case.headers, timeout_ms=case.timeout_ms
    ) as stream:
        for message in _messages(case, answer):
            stream.send(message)
        if case.cancel.before_close_send:
            stream.cancel()
        if case.cancel.after_close_send is not None:
            stream.close_send()
            threading.Timer(case.cancel.after_close_send, stream.cancel).start()
        answer.ended_with(stream.receive())


def _bidi_stream(client: ConnectClientSync, case: Case, answer: Answer) -> None:
    one_by_one = case.is_full_duplex or case.cancel.is_asked_for
    with client.execute_bidi_stream(
        request=None if one_by_one else _messages(case, answer),
        method=case.method,
        headers=case.headers,
        timeout_ms=case.timeout_ms,
    ) as stream:
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
        time.sleep(case.delay)
        yield message
        answer.unsent -= 1
