"""The health of a server and its services, as gRPC's health checking protocol asks for it.

    health = HealthService()
    async with Server(application, health) as server:
        health.set("greet.v1.GreetService", ServingStatus.NOT_SERVING)

A `landbridge.serving.Server` tells it what is served, all of which is `SERVING` at first, and when it begins
to stop: every service is `NOT_SERVING` from then on. Load balancers, Kubernetes and `grpc_health_probe` ask
for these.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from landbridge import _schemas
from landbridge._statuses import ServingStatus, Statuses
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.method import IdempotencyLevel, MethodInfo, StreamType
from landbridge.server import ConnectASGIApplication, ConnectWSGIApplication, Endpoint, EndpointSync

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from landbridge.request import RequestContext

__all__ = ["HealthService", "HealthServiceSync", "ServingStatus"]

_SERVICE = "grpc.health.v1.Health"
_CALLER_LOOKED_AT = 1.0
"""Seconds after which a blocking `Watch` looks whether its caller is still there."""


class _Health:
    """What both kinds have in common."""

    _statuses: Statuses

    def set(self, service: str, status: ServingStatus) -> None:
        """Say how a service is, by its full name; `""` is the server as a whole. May be called on any thread.

        Raises `ValueError` for what is no status.
        """
        self._statuses.set(service, status)

    def status(self, service: str) -> ServingStatus | None:
        """How a service is; `None` if nothing was said of it."""
        return self._statuses.of(service)

    def drain(self) -> None:
        """Say that no service is serving, whatever is said later, until another server starts. Ends every
        `Watch`.

        A `landbridge.serving.Server` calls this when it begins to stop. Under other servers, call it
        yourself.
        """
        self._statuses.drain()

    @property
    def path(self) -> str:
        """Where its methods are, for mounting it."""
        return f"/{_SERVICE}"

    def _joined(self, applications: Sequence[Any]) -> None:
        self._statuses.resume()
        self._statuses.add(name for application in applications for name in application._service_names)

    def _leaving(self) -> None:
        self._statuses.drain()

    def _check(self, request: Any) -> Any:
        status = self._statuses.of(request.service)
        if status is None:
            raise ConnectError(Code.NOT_FOUND, f"there is no service {request.service!r} here")
        return _response(status)

    def _list(self) -> Any:
        response = _schemas.message("grpc.health.v1.HealthListResponse")()
        for service, status in self._statuses.all().items():
            response.statuses[service].status = int(status)
        return response

    def _watched(self, service: str) -> ServingStatus:
        status = self._statuses.of(service)
        return ServingStatus.SERVICE_UNKNOWN if status is None else status


class HealthService(_Health, ConnectASGIApplication[None]):
    """Answers in an event loop: an application for `Server`, and any other ASGI server."""

    def __init__(self, services: Iterable[str] = ()) -> None:
        """Begin with the server itself and `services`, by their full names, as `SERVING`."""
        self._statuses = Statuses()
        self._statuses.add(services)
        super().__init__(
            service=None,
            endpoints=lambda _: {
                _path("Check"): Endpoint.unary(_method("Check"), self._check_async),
                _path("List"): Endpoint.unary(_method("List"), self._list_async),
                _path("Watch"): Endpoint.server_stream(_method("Watch"), self._watch),
            },
            desc=_desc,
        )

    async def _check_async(self, request: Any, _ctx: RequestContext[Any, Any], /) -> Any:
        return self._check(request)

    async def _list_async(self, _request: Any, _ctx: RequestContext[Any, Any], /) -> Any:
        return self._list()

    async def _watch(self, request: Any, _ctx: RequestContext[Any, Any], /) -> AsyncIterator[Any]:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # On another kind of event loop. Clients go on with Check.
            raise ConnectError(Code.UNIMPLEMENTED, "Watch needs an event loop of asyncio") from None
        changed = asyncio.Event()

        def tell() -> None:
            loop.call_soon_threadsafe(changed.set)

        self._statuses.watch(tell)
        try:
            said = None
            while True:
                changed.clear()
                is_last = self._statuses.draining
                status = self._watched(request.service)
                if status is not said:
                    yield _response(status)
                    said = status
                if is_last:
                    # A server that leaves does not wait for those who watch it.
                    return
                await changed.wait()
        finally:
            self._statuses.unwatch(tell)


class HealthServiceSync(_Health, ConnectWSGIApplication):
    """Answers on threads: an application for WSGI servers. Each `Watch` takes a thread."""

    def __init__(self, services: Iterable[str] = ()) -> None:
        """Begin with the server itself and `services`, by their full names, as `SERVING`."""
        self._statuses = Statuses()
        self._statuses.add(services)
        super().__init__(
            endpoints={
                _path("Check"): EndpointSync.unary(_method("Check"), self._check_sync),
                _path("List"): EndpointSync.unary(_method("List"), self._list_sync),
                _path("Watch"): EndpointSync.server_stream(_method("Watch"), self._watch),
            },
            desc=_desc,
        )

    def _check_sync(self, request: Any, _ctx: RequestContext[Any, Any], /) -> Any:
        return self._check(request)

    def _list_sync(self, _request: Any, _ctx: RequestContext[Any, Any], /) -> Any:
        return self._list()

    def _watch(self, request: Any, ctx: RequestContext[Any, Any], /) -> Iterator[Any]:
        changed = threading.Event()
        self._statuses.watch(changed.set)
        try:
            said = None
            while not ctx.is_cancelled:
                changed.clear()
                is_last = self._statuses.draining
                status = self._watched(request.service)
                if status is not said:
                    yield _response(status)
                    said = status
                if is_last:
                    return
                changed.wait(_CALLER_LOOKED_AT)
        finally:
            self._statuses.unwatch(changed.set)


def _desc() -> Any:
    return _schemas.pool().FindServiceByName(_SERVICE)


def _path(method: str) -> str:
    return f"/{_SERVICE}/{method}"


def _method(name: str) -> MethodInfo[Any, Any]:
    kind = "List" if name == "List" else "Check"
    return MethodInfo(
        name=name,
        service_name=_SERVICE,
        input=_schemas.message(f"grpc.health.v1.Health{kind}Request"),
        output=_schemas.message(f"grpc.health.v1.Health{kind}Response"),
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.SERVER_STREAM if name == "Watch" else StreamType.UNARY,
    )


def _response(status: ServingStatus) -> Any:
    return _schemas.message("grpc.health.v1.HealthCheckResponse")(status=int(status))
