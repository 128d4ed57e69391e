"""Calls from an event loop."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from connectrpc.conformance.v1 import config_pb2
from landbridge.client import BidiStream, ConnectClient, ResponseMetadata
from landbridge.errors import ConnectError

from tests.conformance.caller.answers import Answer
from tests.conformance.caller.cases import Case


async def call(client: ConnectClient, case: Case) -> Any:
    """Make one call, and say what came of it."""
    make = _WAYS[case.stream_type]
    with ResponseMetadata() as metadata:
        answer = Answer(len(case.messages), metadata)
        try:
            await make(getattr(client, case.method), case, answer)
        except ConnectError as error:
            answer.failed(error)
    return answer.result()


async def _unary(method: Any, case: Case, answer: Answer) -> None:
    await asyncio.sleep(case.delay)
    [request] = case.messages
    task = asyncio.ensure_future(method(request, **case.settings))
    answer.unsent = 0
    if case.cancel.after_close_send is not None:
        asyncio.get_running_loop().call_later(case.cancel.after_close_send, task.cancel)
    try:
        answer.ended_with(await task)
    except asyncio.CancelledError:
        # It was the call's own task; nobody cancels the one that waits for it.
        answer.given_up()


async def _server_stream(method: Any, case: Case, answer: Answer) -> None:
    await asyncio.sleep(case.delay)
    [request] = case.messages
    async with method(request, **case.settings) as stream:
        answer.unsent = 0
        if case.cancel.after_close_send is not None:
            await asyncio.sleep(case.cancel.after_close_send)
            stream.cancel()
        async for response in stream:
            if answer.add(response) == case.cancel.after_responses:
                stream.cancel()
        answer.ended(await stream.response_headers(), stream.response_trailers)


async def _client_stream(method: Any, case: Case, answer: Answer) -> None:
    if not case.cancel.is_asked_for:
        response = await method(_messages(case, answer), **case.settings)
        answer.ended_with(response)
        return
    async with method(**case.settings) as stream:
        async for message in _messages(case, answer):
            await stream.send(message)
        if case.cancel.before_close_send:
            stream.cancel()
        if case.cancel.after_close_send is not None:
            await stream.close_send()
            await asyncio.sleep(case.cancel.after_close_send)
            stream.cancel()
        answer.ended_with(await stream.receive())


async def _bidi_stream(method: Any, case: Case, answer: Answer) -> None:
    one_by_one = case.is_full_duplex or case.cancel.is_asked_for
    async with method(None if one_by_one else _messages(case, answer), **case.settings) as stream:
        if one_by_one:
            await _send_one_by_one(stream, case, answer)
        async for response in stream:
            if answer.add(response) == case.cancel.after_responses:
                stream.cancel()
        answer.ended(await stream.response_headers(), stream.response_trailers)


async def _send_one_by_one(stream: BidiStream[Any, Any], case: Case, answer: Answer) -> None:
    try:
        async for message in _messages(case, answer):
            await stream.send(message)
            if case.is_full_duplex and answer.add(await stream.receive()) == case.cancel.after_responses:
                stream.cancel()
    except EOFError:
        # The server has ended the call without having seen everything.
        return
    if case.cancel.before_close_send:
        stream.cancel()
    await stream.close_send()
    if case.cancel.after_close_send is not None:
        await asyncio.sleep(case.cancel.after_close_send)
        stream.cancel()


async def _messages(case: Case, answer: Answer) -> AsyncIterator[Any]:
    for message in case.messages:
        if case.delay:
            # Else no other task comes in between: servers of Go's over HTTP/1.1 read what is there of a
            # request when they begin to answer, and nothing after it.
            await asyncio.sleep(case.delay)
        yield message
        answer.unsent -= 1


_WAYS = {
    config_pb2.STREAM_TYPE_UNARY: _unary,
    config_pb2.STREAM_TYPE_CLIENT_STREAM: _client_stream,
    config_pb2.STREAM_TYPE_SERVER_STREAM: _server_stream,
    config_pb2.STREAM_TYPE_HALF_DUPLEX_BIDI_STREAM: _bidi_stream,
    config_pb2.STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM: _bidi_stream,
}
