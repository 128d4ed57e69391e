"""Applications as other people's servers and frameworks find them: by themselves, and mounted."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from wsgiref.util import shift_path_info

import django.conf
import django.core.asgi
import django.core.wsgi
import django.http
import django.urls
from fastapi import FastAPI
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.method import StreamType
from landbridge.request import RequestContext
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.package.echo import AsyncEcho, SyncEcho, text

Context = RequestContext[Any, Any]


async def echo(request: StringValue, ctx: Context) -> StringValue:
    """Answer with the request."""
    ctx.response_trailers["x-trailer"] = "1"
    if request.value == "fail":
        raise ConnectError(Code.NOT_FOUND, "no such thing")
    if request.value == "cancelled":
        await cancelled()
    return request


async def cancelled() -> None:
    """Wait for a task of asyncio that somebody has cancelled."""
    task = asyncio.ensure_future(asyncio.Event().wait())
    task.cancel()
    await task


async def count(request: StringValue, _ctx: Context) -> AsyncIterator[StringValue]:
    """Answer each letter by itself."""
    for letter in request.value:
        if letter == "!":
            await cancelled()
        yield text(letter)


async def back(requests: AsyncIterator[StringValue], _ctx: Context) -> AsyncIterator[StringValue]:
    """Answer each request."""
    async for request in requests:
        yield request


async def slow(request: StringValue, _ctx: Context) -> StringValue:
    """Take longer than anybody waits."""
    import anyio  # noqa: PLC0415

    try:
        await anyio.sleep(60)
    finally:
        ended.append("slow")
    return request


async def look(_request: StringValue, _ctx: Context) -> StringValue:
    """Tell what has ended."""
    return text(",".join(ended))


ended: list[str] = []
"""What was cancelled."""


def echo_sync(request: StringValue, ctx: Context) -> StringValue:
    """Answer with the request."""
    ctx.response_trailers["x-trailer"] = "1"
    if request.value == "fail":
        raise ConnectError(Code.NOT_FOUND, "no such thing")
    if request.value == "exit":
        # The status by which gunicorn's workers have all of it end.
        raise SystemExit(3)
    if request.value == "hang":
        time.sleep(60)
    return text(str(os.getpid())) if request.value == "who" else request


async def where(_request: StringValue, ctx: Context) -> StringValue:
    """Tell the two ends of the call."""
    return where_sync(_request, ctx)


def where_sync(_request: StringValue, ctx: Context) -> StringValue:
    """Tell the two ends of the call."""
    return text(f"{ctx.client_address} {ctx.server_address}")


def count_sync(request: StringValue, _ctx: Context) -> Iterator[StringValue]:
    """Answer each letter by itself."""
    for letter in request.value:
        yield text(letter)


def sum_sync(requests: Iterator[StringValue], _ctx: Context) -> StringValue:
    """Answer all requests together."""
    return text("".join(request.value for request in requests))


def back_sync(requests: Iterator[StringValue], _ctx: Context) -> Iterator[StringValue]:
    """Answer each request."""
    yield from requests


def slow_sync(requests: Iterator[StringValue], ctx: Context) -> StringValue:
    """Take longer than anybody waits."""
    answer = sum_sync(requests, ctx)
    while not ctx.is_cancelled:
        time.sleep(0.01)
    ended.append("slow")
    return answer


def late_sync(request: StringValue, ctx: Context) -> StringValue:
    """Answer once nobody waits any more."""
    while (left := ctx.timeout_ms or 0) > 0:
        time.sleep(left / 1000)
    return request


def late_count_sync(request: StringValue, ctx: Context) -> Iterator[StringValue]:
    """Answer once in time, and once too late."""
    yield request
    yield late_sync(request, ctx)


asgi = AsyncEcho(
    {
        "Echo": (StreamType.UNARY, echo),
        "Count": (StreamType.SERVER_STREAM, count),
        "Back": (StreamType.BIDI_STREAM, back),
        "Slow": (StreamType.UNARY, slow),
        "Look": (StreamType.UNARY, look),
        "Where": (StreamType.UNARY, where),
        "Blocking": (StreamType.UNARY, echo_sync),
        "BlockingCount": (StreamType.SERVER_STREAM, count_sync),
        "BlockingSum": (StreamType.CLIENT_STREAM, sum_sync),
        "BlockingBack": (StreamType.BIDI_STREAM, back_sync),
        "BlockingSlow": (StreamType.CLIENT_STREAM, slow_sync),
    }
)
wsgi = SyncEcho(
    {
        "Echo": (StreamType.UNARY, echo_sync),
        "Count": (StreamType.SERVER_STREAM, count_sync),
        "Where": (StreamType.UNARY, where_sync),
        "Late": (StreamType.UNARY, late_sync),
        "LateCount": (StreamType.SERVER_STREAM, late_count_sync),
    }
)

# At its own path, below another, and at its own below another.
_below = Mount("/api", routes=[Mount(asgi.path, app=asgi)])
starlette = Starlette(routes=[Mount("/rpc", app=asgi), Mount(asgi.path, app=asgi), _below])
fastapi = FastAPI()
fastapi.mount(asgi.path, asgi)


@fastapi.get("/rest")
def rest() -> str:
    """Answer plain HTTP."""
    return "rest"


def view(_request: Any) -> django.http.HttpResponse:
    """Answer plain HTTP."""
    return django.http.HttpResponse("django")


class Urls:
    """What Django serves."""

    urlpatterns = (django.urls.path("page", view),)


django.conf.settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=Urls, SECRET_KEY="of a test")
_django_asgi: Any = django.core.asgi.get_asgi_application()
_django_wsgi: Any = django.core.wsgi.get_wsgi_application()


async def django_asgi(scope: Any, receive: Any, send: Any) -> None:
    """As an `asgi.py` of Django sends some paths elsewhere."""
    is_call = scope["type"] == "http" and scope["path"].startswith(asgi.path)
    await (asgi if is_call else _django_asgi)(scope, receive, send)


def django_wsgi(environ: Any, start_response: Any) -> Any:
    """As a `wsgi.py` of Django mounts another application."""
    path = environ["PATH_INFO"]
    if not path.startswith(wsgi.path):
        return _django_wsgi(environ, start_response)
    moved = {"SCRIPT_NAME": wsgi.path, "PATH_INFO": path.removeprefix(wsgi.path)}
    return wsgi({**environ, **moved}, start_response)


def below_wsgi(environ: Any, start_response: Any) -> Any:
    """As dispatchers mount an application in one that is mounted itself: at its own path below `/api`."""
    if shift_path_info(environ) != "api" or f"/{shift_path_info(environ)}" != wsgi.path:
        start_response("404 Not Found", [])
        return [b""]
    return wsgi(environ, start_response)
