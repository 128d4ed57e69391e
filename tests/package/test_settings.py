"""Settings that make no sense are refused where they are given, in one sentence."""

import functools
import inspect
import logging
import re
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.client import ConnectClient, ConnectClientSync
from landbridge.compression.gzip import GzipCompression
from landbridge.method import StreamType
from landbridge.serving import Limits, Server, ServerSync, TlsConfig
from landbridge.serving.blocking import _Settings

from tests.package.conftest import Serve
from tests.package.echo import SERVICE, AsyncEcho, SyncEcho, stub, text, unary


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


PEM = b"-----BEGIN CERTIFICATE-----"


class Service:
    """Of one method."""

    async def echo(self, request: StringValue, _ctx: Any) -> StringValue:
        """Answer with the request."""
        return request


async def lifespan() -> AsyncIterator[Service]:
    """A service that starts and ends."""
    yield Service()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"compressions": ["gzip"]}, "compressions[0] is 'gzip': it must be an object with name, compress, "),
        ({"compressions": "gzip"}, "compressions is 'gzip': it must be a list, as [GzipCompression()]"),
        ({"compressions": [GzipCompression]}, "compressions[0] is the class GzipCompression: it must be"),
        ({"codecs": ["json"]}, "codecs[0] is 'json': it must be an object with name, encode, decode"),
        (
            {"read_max_bytes": -1},
            "read_max_bytes is -1: it must be a whole number, 1 or more, or None for no",
        ),
        ({"read_max_bytes": "4M"}, "read_max_bytes is '4M': it must be a whole number"),
        ({"compress_min_bytes": 0.5}, "compress_min_bytes is 0.5: it must be a whole number, 0 or more"),
    ],
)
@pytest.mark.parametrize("what", ["asynchronous application", "blocking application"])
def test_a_setting_of_an_application_that_makes_no_sense_is_named(
    what: str, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(said)):
        constructed(what, **settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tls": "x"}, "tls is 'x': it must be a landbridge.serving.tls.TlsConfig, or None"),
        ({"limits": {"idle_timeout": 1}}, "limits is a dict: it must be a landbridge.serving.limits.Limits"),
        ({"port": "8080"}, "port is '8080': it must be a whole number, 0 to 65535"),
        ({"port": 65536}, "port is 65536: it must be a whole number, 0 to 65535"),
        ({"threads": 0}, "threads is 0: it must be a whole number, 1 or more"),
        ({"io_threads": None}, "io_threads is None: it must be a whole number, 1 or more"),
        ({"fallback": "app"}, "fallback is 'app': it must be an ASGI application"),
    ],
)
def test_a_setting_of_a_server_that_makes_no_sense_is_named(settings: dict[str, Any], said: str) -> None:
    for server in (Server, ServerSync):
        with pytest.raises((TypeError, ValueError), match=re.escape(said)):
            server(AsyncEcho(unary(echo)), **settings)


def test_a_blocking_server_has_the_settings_of_a_server_with_their_types() -> None:
    parameters = inspect.signature(Server).parameters.values()
    settings = {each.name: each.annotation for each in parameters if each.kind is each.KEYWORD_ONLY}
    assert inspect.signature(ServerSync).parameters["settings"].annotation == "Unpack[_Settings]"
    typed = {name: each.__forward_arg__ for name, each in _Settings.__annotations__.items()}
    assert typed == settings


def test_what_is_no_application_is_refused() -> None:
    with pytest.raises(TypeError, match="a Service is no application of landbridge"):
        Server(Service())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="the class AsyncEcho is no application of landbridge"):
        Server(AsyncEcho)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (
            {"max_concurrent_calls": 0},
            "max_concurrent_calls is 0: it must be a whole number, 1 to 4294967295",
        ),
        ({"max_connections": "many"}, "max_connections is 'many': it must be a whole number, 1 to"),
        ({"max_streams_per_connection": 1 << 32}, "max_streams_per_connection is 4294967296: it must be"),
        (
            {"max_requests_per_connection": -1},
            "max_requests_per_connection is -1: it must be a whole number,",
        ),
        ({"max_waiting_calls": True}, "max_waiting_calls is True: it must be a whole number"),
        ({"header_timeout": -1.0}, "header_timeout is -1.0: it must be a time in seconds, more than 0"),
        ({"header_timeout": None}, "header_timeout is None: it must be a time in seconds, more than 0"),
        (
            {"keepalive_interval": 0},
            "keepalive_interval is 0: it must be a time in seconds, more than 0, or None",
        ),
        ({"receive_timeout": 0}, "receive_timeout is 0: it must be a time in seconds, more than 0, or None"),
        ({"max_early_resets": 0}, "max_early_resets is 0: it must be a whole number, 1 to 4294967295"),
        ({"idle_timeout": "5m"}, "idle_timeout is '5m': it must be a time in seconds, more than 0, or None"),
        ({"idle_timeout": float("nan")}, "idle_timeout is nan: it must be a time in seconds"),
        (
            {"max_connection_age_grace": -1},
            "max_connection_age_grace is -1: it must be a time in seconds, 0 or",
        ),
    ],
)
def test_a_limit_that_makes_no_sense_is_named(limits: dict[str, Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(said)):
        Limits(**limits)


def test_certificates_are_text_or_paths() -> None:
    said = "private_key is 3: it must be PEM, or the path of a file"
    with pytest.raises(TypeError, match=said):
        TlsConfig(certificate=PEM, private_key=3)  # type: ignore[arg-type]


def test_a_generator_of_a_service_yields_it_once() -> None:
    async def none() -> AsyncIterator[None]:
        if not "reached":
            yield None

    async def two() -> AsyncIterator[None]:
        yield None
        yield None

    with pytest.raises(RuntimeError, match="has ended without a yield: it yields the service, once"):
        ServerSync(AsyncEcho({}, service=none()), port=0).start()
    server = ServerSync(AsyncEcho({}, service=two()), port=0)
    server.start()
    with pytest.raises(RuntimeError, match="has come to a second yield"):
        server.stop()
    server.wait()


def test_an_application_with_a_generator_is_served_once() -> None:
    application = AsyncEcho({}, service=lifespan())
    said = "whose service is a generator is served once: make another application for another server"
    with ServerSync(application, port=0), pytest.raises(RuntimeError, match=said):
        ServerSync(application, port=0).start()
    with pytest.raises(RuntimeError, match=said):
        ServerSync(application, port=0).start()
    again = AsyncEcho(unary(echo))
    for _ in range(2):
        with ServerSync(again, port=0):
            pass


def test_a_class_or_a_function_is_no_service() -> None:
    for given, name in ((Service, "Service"), (lifespan, "lifespan")):
        said = re.escape(f"service is {name} itself: give what it makes, {name}()")
        with pytest.raises(TypeError, match=said):
            AsyncEcho({}, service=given)


@pytest.mark.parametrize("application", [AsyncEcho, SyncEcho])
def test_a_handler_that_cannot_be_called_is_refused(application: Any) -> None:
    said = (
        r"the handler of /test.v1.Echo/Echo is Service.echo\(self, request.*: it is called with a request and"
    )
    with pytest.raises(TypeError, match=said):
        # What there is of a method when a class is given for a service.
        application(unary(Service.echo))._operations  # noqa: B018
    with pytest.raises(TypeError, match=r"the handler of /test.v1.Echo/Echo is None: it must be a function"):
        application(unary(None))._operations  # type: ignore[arg-type]  # noqa: B018


class Instance:
    """An instance that is a handler."""

    async def __call__(self, request: StringValue, _ctx: Any) -> StringValue:
        """Answer with the request."""
        return request


async def echo_stream(request: StringValue, _ctx: Any) -> AsyncIterator[StringValue]:
    """Answer with the request."""
    yield request


@pytest.mark.parametrize(
    ("kind", "handler", "name"),
    [
        (StreamType.UNARY, Service().echo, "Service.echo"),
        (StreamType.CLIENT_STREAM, functools.partial(echo), "a partial"),
        (StreamType.UNARY, Instance(), "a Instance"),
        (StreamType.SERVER_STREAM, echo_stream, "echo_stream"),
    ],
)
def test_an_asynchronous_handler_of_a_blocking_application_is_refused(
    kind: StreamType, handler: Any, name: str
) -> None:
    said = f"the handler of /test.v1.Echo/Echo is {name}, which is asynchronous: a WSGI application has"
    with pytest.raises(TypeError, match=re.escape(said)):
        SyncEcho({"Echo": (kind, handler)})
    assert AsyncEcho({"Echo": (kind, handler)})._operations


def nothing(_request: StringValue, _ctx: Any) -> None:
    """Forget to answer."""


async def nothing_async(_request: StringValue, _ctx: Any) -> None:
    """Forget to answer."""


def other(_request: StringValue, _ctx: Any) -> Duration:
    """Answer with a message of another method."""
    return Duration()


async def other_async(_request: StringValue, _ctx: Any) -> Duration:
    """Answer with a message of another method."""
    return Duration()


@pytest.mark.parametrize(
    ("application", "kind", "handler", "said"),
    [
        (AsyncEcho, StreamType.UNARY, nothing_async, "gave None, where a StringValue belongs"),
        (AsyncEcho, StreamType.UNARY, nothing, "gave None, where a StringValue belongs"),
        (SyncEcho, StreamType.UNARY, nothing, "gave None, where a StringValue belongs"),
        (AsyncEcho, StreamType.UNARY, other_async, "gave a Duration, where a StringValue belongs"),
        (SyncEcho, StreamType.UNARY, other, "gave a Duration, where a StringValue belongs"),
        (
            AsyncEcho,
            StreamType.SERVER_STREAM,
            nothing_async,
            "gave a coroutine, where an asynchronous iterator of StringValue belongs: yield each response",
        ),
        (
            SyncEcho,
            StreamType.SERVER_STREAM,
            nothing,
            "gave None, where an iterator of StringValue belongs: yield each response",
        ),
    ],
)
def test_a_response_that_is_none_is_internal_to_the_caller_and_named_in_the_log(
    application: Any,
    kind: StreamType,
    handler: Any,
    said: str,
    serve: Serve,
    channel: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = serve(application({"Echo": (kind, handler)}))
    calls = stub(channel(port), kind="unary_unary" if kind is StreamType.UNARY else "unary_stream")
    with caplog.at_level(logging.ERROR, "landbridge"), pytest.raises(grpc.RpcError) as caught:
        list(calls(text("a")))
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "StringValue" not in error.details()
    assert [record.getMessage() for record in caplog.records] == [f"the handler of /{SERVICE}/Echo {said}"]
