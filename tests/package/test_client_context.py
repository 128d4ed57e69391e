"""The blocking client runs its caller's code in the caller's context, whichever thread it uses for it."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.client import ConnectClientSync, ResponseMetadata, Transport
from landbridge.method import StreamType
from landbridge.request import RequestContext

from tests.package.conftest import Serve
from tests.package.echo import AsyncEcho, method, text

Context = RequestContext[Any, Any]
Responses = Callable[[Iterator[StringValue], Context], Iterator[StringValue]]

EACH = method("Each", StreamType.BIDI_STREAM)

user: ContextVar[str] = ContextVar("user", default="nobody")


async def each_back(requests: AsyncIterator[StringValue], ctx: Context) -> AsyncIterator[StringValue]:
    """Answer each request by itself."""
    ctx.response_headers["x-served"] = "1"
    async for request in requests:
        yield request


class Naming:
    """Adds the user to the headers."""

    def intercept_bidi_stream_sync(
        self, call_next: Responses, request: Iterator[StringValue], ctx: Context
    ) -> Iterator[StringValue]:
        """Add it before the call is made."""
        ctx.request_headers["x-user"] = user.get()
        yield text(user.get())
        yield from call_next(request, ctx)


@pytest.fixture
def address(serve: Serve) -> str:
    """Where the service is."""
    return f"http://127.0.0.1:{serve(AsyncEcho({'Each': (StreamType.BIDI_STREAM, each_back)}))}"


def test_an_iterator_of_requests_runs_in_it(address: str) -> None:
    def requests() -> Iterator[StringValue]:
        yield text(user.get())

    user.set("ann")
    with ConnectClientSync(address, transport=Transport(http_version="2")) as client:
        assert [each.value for each in client.execute_bidi_stream(request=requests(), method=EACH)] == ["ann"]


def test_interceptors_of_a_stream_that_is_sent_to_one_by_one_run_in_it(address: str) -> None:
    user.set("ben")
    transport = Transport(http_version="2")
    with (
        ConnectClientSync(address, transport=transport, interceptors=[Naming()]) as client,
        ResponseMetadata() as metadata,
        client.execute_bidi_stream(method=EACH) as stream,
    ):
        stream.send(text("hello"))
        stream.close_send()
        assert [each.value for each in stream] == ["ben", "hello"]
    assert metadata.headers["x-served"] == "1"
