"""gRPC's health checks of Python servers."""

import asyncio
import threading
from collections.abc import Callable

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from landbridge.health import HealthService, HealthServiceSync, ServingStatus
from landbridge.serving import ServerSync

from tests.package.conftest import Serve
from tests.package.echo import SERVICE, AsyncEcho, unary

Health = HealthService | HealthServiceSync
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


async def echo(request: object, _ctx: object) -> object:
    """Answer what was said."""
    return request


def asked(service: str = "") -> health_pb2.HealthCheckRequest:
    """What a client asks."""
    return health_pb2.HealthCheckRequest(service=service)


@pytest.fixture(params=[HealthService, HealthServiceSync])
def health(request: pytest.FixtureRequest) -> Health:
    """Either kind."""
    made: Health = request.param()
    return made


@pytest.fixture
def stub(health: Health, serve: Serve, channel: Callable[[int], grpc.Channel]) -> health_pb2_grpc.HealthStub:
    """What grpcio's clients ask by, of a server with a service and its health."""
    return health_pb2_grpc.HealthStub(channel(serve(AsyncEcho(unary(echo)), health)))


def test_what_is_served_is_serving_until_something_else_is_said(
    health: Health, stub: health_pb2_grpc.HealthStub
) -> None:
    assert stub.Check(asked()).status == stub.Check(asked(SERVICE)).status == SERVING
    health.set(SERVICE, ServingStatus.NOT_SERVING)
    assert stub.Check(asked(SERVICE)).status == NOT_SERVING
    assert stub.Check(asked()).status == SERVING
    assert health.status(SERVICE) is ServingStatus.NOT_SERVING


def test_a_service_that_is_not_known_is_not_found(health: Health, stub: health_pb2_grpc.HealthStub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(asked("no.such.Service"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "no.such.Service" in str(caught.value)
    assert health.status("no.such.Service") is None


def test_all_services_are_listed(stub: health_pb2_grpc.HealthStub) -> None:
    statuses = stub.List(health_pb2.HealthListRequest()).statuses
    assert {name: status.status for name, status in statuses.items()} == {
        "": SERVING,
        SERVICE: SERVING,
        "grpc.health.v1.Health": SERVING,
    }


def test_a_watch_tells_every_change_and_nothing_twice(
    health: Health, stub: health_pb2_grpc.HealthStub
) -> None:
    watched = stub.Watch(asked("later.Service"))
    assert next(watched).status == SERVICE_UNKNOWN
    health.set("later.Service", ServingStatus.SERVING)
    assert next(watched).status == SERVING
    health.set(SERVICE, ServingStatus.NOT_SERVING)
    health.set("later.Service", ServingStatus.SERVING)
    health.set("later.Service", ServingStatus.NOT_SERVING)
    assert next(watched).status == NOT_SERVING
    watched.cancel()


@pytest.mark.parametrize("kind", [HealthService, HealthServiceSync])
def test_a_server_that_stops_is_not_serving_and_waits_for_no_watch(
    kind: type[Health], channel: Callable[[int], grpc.Channel]
) -> None:
    health = kind()
    server = ServerSync(AsyncEcho(unary(echo)), health, port=0)
    server.start()
    stub = health_pb2_grpc.HealthStub(channel(server.port))
    watched = stub.Watch(asked(SERVICE))
    assert next(watched).status == SERVING
    stopping = threading.Thread(target=server.stop, args=(None,))
    stopping.start()
    # Says so, and ends; with it open, the server would wait forever.
    assert [response.status for response in watched] == [NOT_SERVING]
    stopping.join()
    assert health.status("") is ServingStatus.NOT_SERVING
    health.set("", ServingStatus.SERVING)
    assert health.status("") is ServingStatus.NOT_SERVING


def test_health_that_another_server_takes_over_is_serving_again() -> None:
    health = HealthService()
    for _ in range(2):
        with ServerSync(health, port=0):
            assert health.status("grpc.health.v1.Health") is ServingStatus.SERVING
        assert health.status("grpc.health.v1.Health") is ServingStatus.NOT_SERVING


def test_what_is_no_status_is_refused() -> None:
    with pytest.raises(ValueError, match="7"):
        HealthService().set("", 7)  # type: ignore[arg-type]


def test_health_is_asked_for_by_connect_too(serve: Serve) -> None:
    port = serve(HealthService(["a.Service"]))
    url = f"http://127.0.0.1:{port}/grpc.health.v1.Health/Check"
    assert httpx.post(url, json={"service": "a.Service"}).json() == {"status": "SERVING"}
    assert httpx.post(url, json={"service": "b.Service"}).json()["code"] == "not_found"


def test_other_servers_carry_it() -> None:
    path = "/grpc.health.v1.Health/Check"

    async def over_asgi() -> httpx.Response:
        transport = httpx.ASGITransport(HealthService())
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(path, json={})

    assert asyncio.run(over_asgi()).json() == {"status": "SERVING"}
    with httpx.Client(transport=httpx.WSGITransport(HealthServiceSync()), base_url="http://test") as client:
        assert client.post(path, json={}).json() == {"status": "SERVING"}


def test_a_caller_who_leaves_a_watch_is_forgotten(
    serve: Serve, channel: Callable[[int], grpc.Channel]
) -> None:
    health = HealthService()
    watched = health_pb2_grpc.HealthStub(channel(serve(health))).Watch(asked())
    assert next(watched).status == SERVING
    assert len(health._statuses._watchers) == 1
    left = threading.Event()
    forget = health._statuses.unwatch

    def unwatch(changed: Callable[[], object]) -> None:
        forget(changed)
        left.set()

    health._statuses.unwatch = unwatch  # type: ignore[method-assign]
    watched.cancel()
    assert left.wait(20)
    assert len(health._statuses._watchers) == 0


BOTH = """
import asyncio
from landbridge.health import HealthService
from landbridge.reflection import ReflectionService
from landbridge.serving import Server

async def main():
    async with Server(HealthService(), ReflectionService(), port=0):
        pass

{first}
{second}
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
assert health_pb2.HealthCheckRequest(service="a").SerializeToString() == b"\\n\\x01a"
"""


@pytest.mark.parametrize("first", ["ours", "grpcio's"])
def test_grpcios_modules_of_the_same_files_may_be_imported_before_and_after(
    first: str, run_python: Callable[[str], str]
) -> None:
    ours = "asyncio.run(main())"
    theirs = "from grpc_health.v1 import health_pb2\nfrom grpc_reflection.v1alpha import reflection_pb2"
    pair = (ours, theirs) if first == "ours" else (theirs, ours)
    run_python(BOTH.format(first=pair[0], second=pair[1]))
