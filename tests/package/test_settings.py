"""Settings that make no sense are refused where they are given, in one sentence."""

import re
from typing import Any

import pytest
from landbridge.client import ConnectClient, ConnectClientSync

from tests.package.echo import AsyncEcho, SyncEcho, unary


async def echo(request: Any, _ctx: Any) -> Any:
    """Answer with the request."""
    return request


def echo_sync(request: Any, _ctx: Any) -> Any:
    """Answer with the request."""
    return request


class ForBlocking:
    """Has methods for blocking calls alone."""

    def intercept_unary_sync(self, call_next: Any, request: Any, ctx: Any) -> Any:
        """Pass it on."""
        return call_next(request, ctx)


class ForAsynchronous:
    """Has methods for asynchronous calls alone."""

    async def on_start(self, _ctx: Any) -> None:
        """Begin."""

    async def on_end(self, _token: Any, _ctx: Any, _error: Any) -> None:
        """End."""


class Unfinished:
    """Begins and does not end."""

    async def on_start(self, _ctx: Any) -> None:
        """Begin."""

    on_start_sync = on_start


def constructed(what: str, **settings: Any) -> Any:
    """One of all that take interceptors."""
    makers: dict[str, Any] = {
        "asynchronous application": lambda: AsyncEcho(unary(echo), **settings),
        "blocking application": lambda: SyncEcho(unary(echo_sync), **settings),
        "asynchronous client": lambda: ConnectClient("http://127.0.0.1:1", **settings),
        "blocking client": lambda: ConnectClientSync("http://127.0.0.1:1", **settings),
    }
    return makers[what]()


ASYNCHRONOUS = ["asynchronous application", "asynchronous client"]
BLOCKING = ["blocking application", "blocking client"]


@pytest.mark.parametrize(
    ("who", "given", "said"),
    [
        (
            ASYNCHRONOUS,
            ForBlocking(),
            "interceptors[1] is a ForBlocking, which does nothing for asynchronous calls: it has neither "
            "on_start nor intercept_unary, intercept_client_stream, intercept_server_stream, "
            "intercept_bidi_stream; "
            "intercept_unary_sync is for blocking ones",
        ),
        (
            BLOCKING,
            ForAsynchronous(),
            "interceptors[1] is a ForAsynchronous, which does nothing for blocking calls: it has neither "
            "on_start_sync nor intercept_unary_sync, intercept_client_stream_sync, "
            "intercept_server_stream_sync, intercept_bidi_stream_sync; on_start is for asynchronous ones",
        ),
        (ASYNCHRONOUS + BLOCKING, object(), "interceptors[1] is a object, which does nothing for"),
        (ASYNCHRONOUS, Unfinished(), "is a Unfinished, which has on_start and lacks on_end"),
        (BLOCKING, Unfinished(), "is a Unfinished, which has on_start_sync and lacks on_end_sync"),
        (
            ASYNCHRONOUS,
            ForAsynchronous,
            "interceptors[1] is the class ForAsynchronous: give an instance of it",
        ),
    ],
)
def test_an_interceptor_that_would_do_nothing_is_refused(who: list[str], given: Any, said: str) -> None:
    for what in who:
        good = ForBlocking() if what in BLOCKING else ForAsynchronous()
        with pytest.raises(TypeError, match=re.escape(said)):
            constructed(what, interceptors=[good, given])
        with pytest.raises(TypeError, match=f"interceptors is a {type(good).__name__}: it must be a list"):
            constructed(what, interceptors=good)
