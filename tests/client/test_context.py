"""The blocking client runs its caller's code in the caller's context, whichever thread it uses for it."""

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from google.protobuf.wrappers_pb2 import StringValue
from landbridge.client import ConnectClientSync, ResponseMetadata, Transport

from tests.client.echo import TALK, text

user: ContextVar[str] = ContextVar("user", default="nobody")


class Naming:
    """Says for whom a call is made."""

    def intercept_bidi_stream_sync(
        self, call_next: Callable[..., Iterator[Any]], request: Iterator[Any], ctx: Any
    ) -> Iterator[Any]:
        """Say it before the responses."""
        yield text(user.get())
        yield from call_next(request, ctx)


def test_an_iterator_of_requests_runs_in_it(url: str) -> None:
    def requests() -> Iterator[StringValue]:
        yield text(user.get())

    user.set("ann")
    with ConnectClientSync(url, transport=Transport(http_version="2")) as client:
        assert [each.value for each in client.execute_bidi_stream(request=requests(), method=TALK)] == ["ANN"]


def test_interceptors_of_a_stream_that_is_sent_to_one_by_one_run_in_it(url: str) -> None:
    user.set("ben")
    transport = Transport(http_version="2")
    with (
        ConnectClientSync(url, transport=transport, interceptors=[Naming()]) as client,
        ResponseMetadata() as metadata,
        client.execute_bidi_stream(method=TALK) as stream,
    ):
        stream.send(text("hello"))
        stream.close_send()
        assert [each.value for each in stream] == ["ben", "HELLO"]
    assert metadata.headers["x-head"] == "talk"
