"""The servers and bridges that the tests ask for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo import server as demo_server
from tests.running.bridge import Bridge, running_bridge
from tests.running.envoy_file import Upstream, envoy_file
from tests.running.stubs import DEMO_PROTO, DEMO_PROTOS, write_descriptor_set

StartBridge = Callable[..., Bridge]
"""See `start_bridge`."""


@pytest.fixture(scope="session")
def talk_server() -> Iterator[int]:
    """The demo's grpc-python server; yields its port."""
    server, port = demo_server.start(0)
    yield port
    server.stop(grace=None).wait()


@pytest.fixture(scope="session")
def talk_descriptors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The descriptors of the demo's service, as a file."""
    file = tmp_path_factory.mktemp("descriptors") / "talk.binpb"
    write_descriptor_set(DEMO_PROTOS, [DEMO_PROTO], file)
    return file


@pytest.fixture(scope="session")
def bridge(talk_server: int) -> Iterator[Bridge]:
    """A bridge in front of the demo's server, with the seed file's settings and nothing else."""
    with running_bridge(envoy_file(Upstream(talk_server))) as bridge:
        yield bridge


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def client(request: pytest.FixtureRequest, bridge: Bridge) -> Iterator[httpx.Client]:
    """An HTTP client of the bridge, in each HTTP version."""
    with http_client(bridge, http2=request.param == "HTTP/2") as client:
        yield client


@pytest.fixture
def start_bridge(talk_descriptors: Path) -> Iterator[StartBridge]:
    """Start bridges with other upstreams or settings; they end with the test.

    `start_bridge(port)` knows the demo's service from a descriptor set, unless `schema` is false.
    """
    with ExitStack() as bridges:

        def start(
            upstream_port: int,
            *,
            schema: bool = True,
            landbridge: Mapping[str, Any] | None = None,
            route: Mapping[str, Any] | None = None,
            flags: Sequence[str] = (),
        ) -> Bridge:
            known = {"descriptor_set": str(talk_descriptors)} if schema else {}
            upstream = Upstream(upstream_port, landbridge={**known, **(landbridge or {})})
            return bridges.enter_context(running_bridge(envoy_file(upstream, route=route), flags=flags))

        yield start


def http_client(bridge: Bridge, *, http2: bool = False) -> httpx.Client:
    """Return a client that speaks one version of HTTP to a bridge and decodes nothing by itself."""
    return httpx.Client(base_url=bridge.url, http1=not http2, http2=http2, timeout=20, trust_env=False)
