"""gRPC's server reflection of Python servers."""

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from landbridge import _schemas
from landbridge.reflection import ReflectionService, ReflectionServiceSync

from tests.package.conftest import Serve
from tests.package.echo import SERVICE, AsyncEcho, SyncEcho, unary
from tests.package.generating import BIN, SHAPES, generated
from tests.running.bridge import COMMAND_VARIABLE, running_bridge
from tests.running.envoy_file import Upstream, envoy_file
from tests.running.python_server import running_python_server

OWN = {"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}

APPLICATION = """\
from shapes import kinds_connect


class Service(kinds_connect.KindService):
    async def exchange(self, request, _ctx, /):
        return request


application = kinds_connect.KindServiceASGIApplication(Service())
"""


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server that was generated, and is served with its health and its schema."""
    folder = generated(tmp_path_factory.mktemp("described") / "app", *SHAPES)
    (folder / "app.py").write_text(APPLICATION)
    flags = ("--app-dir", str(folder), "--health", "--reflection")
    with running_python_server("app:application", 0, *flags) as port:
        yield port


class Reflection:
    """A stream of questions of one version of the protocol, as bare as it can be."""

    def __init__(self, channel: grpc.Channel, version: str = "v1") -> None:
        package = f"grpc.reflection.{version}"
        self._request = _schemas.message(f"{package}.ServerReflectionRequest")
        self._call: Any = channel.stream_stream(
            f"/{package}.ServerReflection/ServerReflectionInfo",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=_schemas.message(f"{package}.ServerReflectionResponse").FromString,
        )

    def ask(self, *questions: dict[str, Any]) -> list[Any]:
        """Ask everything on one stream."""
        return list(self._call(self._request(**question) for question in questions))


def files(response: Any) -> list[str]:
    """The names of the files in a response."""
    serialized = response.file_descriptor_response.file_descriptor_proto
    return [FileDescriptorProto.FromString(file).name for file in serialized]


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_services_are_listed_in_both_versions(
    version: str, described: int, channel: Callable[[int], grpc.Channel]
) -> None:
    (response,) = Reflection(channel(described), version).ask({"list_services": "", "host": "here"})
    names = {service.name for service in response.list_services_response.service}
    assert names == {"shapes.KindService", "grpc.health.v1.Health", *OWN}
    assert response.valid_host == response.original_request.host == "here"


@pytest.mark.parametrize(
    "symbol",
    [
        "shapes.KindService",
        "shapes.KindService.Look",
        "shapes.Kinds.Inner.Depth",
        "shapes.Kinds.text",
        "shapes.Kinds.choice",
        "shapes.MOOD_GOOD",
    ],
)
def test_a_symbol_brings_its_file_and_all_that_this_imports(
    symbol: str, described: int, channel: Callable[[int], grpc.Channel]
) -> None:
    (response,) = Reflection(channel(described)).ask({"file_containing_symbol": symbol})
    found = files(response)
    assert found[0] == "shapes/kinds.proto"
    assert sorted(found[1:]) == [
        "google/protobuf/descriptor.proto",
        "google/protobuf/duration.proto",
        "google/protobuf/struct.proto",
        "google/protobuf/timestamp.proto",
        "shapes/legacy.proto",
    ]


def test_extensions_are_found_by_number(described: int, channel: Callable[[int], grpc.Channel]) -> None:
    numbers, by_number, by_name = Reflection(channel(described)).ask(
        {"all_extension_numbers_of_type": "shapes.Legacy"},
        {"file_containing_extension": {"containing_type": "shapes.Legacy", "extension_number": 101}},
        {"file_containing_symbol": "shapes.Legacy.itself"},
    )
    assert numbers.all_extension_numbers_response.base_type_name == "shapes.Legacy"
    assert list(numbers.all_extension_numbers_response.extension_number) == [100, 101, 102]
    assert files(by_number)[0] == files(by_name)[0] == "shapes/legacy.proto"


def test_what_does_not_exist_is_an_answer_and_the_stream_goes_on(
    described: int, channel: Callable[[int], grpc.Channel]
) -> None:
    *missing, empty, last = Reflection(channel(described)).ask(
        {"file_by_filename": "no.proto"},
        {"file_containing_symbol": "shapes.KindService.No"},
        {"file_containing_extension": {"containing_type": "shapes.Legacy", "extension_number": 150}},
        {"all_extension_numbers_of_type": "shapes.No"},
        {},
        {"file_by_filename": "shapes/legacy.proto"},
    )
    assert [response.error_response.error_code for response in missing] == [5, 5, 5, 5]
    assert "shapes.KindService.No" in missing[1].error_response.error_message
    assert empty.error_response.error_code == 3
    assert files(last)[0] == "shapes/legacy.proto"


def test_grpcios_client_builds_its_messages_from_it(
    described: int, channel: Callable[[int], grpc.Channel]
) -> None:
    database = ProtoReflectionDescriptorDatabase(channel(described))
    assert set(database.get_services()) == {"shapes.KindService", "grpc.health.v1.Health", *OWN}
    pool = DescriptorPool(database)
    method: Any = pool.FindServiceByName("shapes.KindService").methods_by_name["Trade"]
    assert method.output_type.full_name == "shapes.Legacy"
    assert method.input_type.fields_by_name["at"].message_type.full_name == "google.protobuf.Timestamp"
    health = pool.FindServiceByName("grpc.health.v1.Health")
    assert [method.name for method in health.methods] == ["Check", "List", "Watch"]


def test_the_bridge_translates_json_by_it(described: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMAND_VARIABLE, shlex.join([str(BIN / "landbridge"), "bridge"]))
    with running_bridge(envoy_file(Upstream(described))) as bridge:
        answer = httpx.post(
            f"{bridge.url}/shapes.KindService/Exchange",
            json={"text": "a", "mood": "MOOD_GOOD", "at": "1970-01-01T00:00:01Z"},
            trust_env=False,
            timeout=20,
        )
    assert answer.json() == {"text": "a", "mood": "MOOD_GOOD", "at": "1970-01-01T00:00:01Z"}


def test_given_applications_it_speaks_of_these_alone(
    serve: Serve, channel: Callable[[int], grpc.Channel]
) -> None:
    async def echo(request: object, _ctx: object) -> object:
        return request

    shown = AsyncEcho(unary(echo))
    port = serve(shown, ReflectionService(shown))
    listed, file = Reflection(channel(port)).ask(
        {"list_services": ""}, {"file_by_filename": "google/protobuf/wrappers.proto"}
    )
    assert [service.name for service in listed.list_services_response.service] == [SERVICE]
    # An application that is written by hand is known by its messages.
    assert files(file) == ["google/protobuf/wrappers.proto"]


def test_blocking_servers_have_it_too(serve: Serve, channel: Callable[[int], grpc.Channel]) -> None:
    application = SyncEcho(unary(lambda request, _ctx: request))
    port = serve(application, ReflectionServiceSync())
    first, second = Reflection(channel(port), "v1alpha").ask(
        {"list_services": ""}, {"file_containing_symbol": "grpc.reflection.v1alpha.ServerReflection"}
    )
    assert {service.name for service in first.list_services_response.service} == {SERVICE, *OWN}
    assert files(second) == ["grpc/reflection/v1alpha/reflection.proto"]


def test_services_of_protobuf_py_are_described(
    tmp_path: Path, channel: Callable[[int], grpc.Channel]
) -> None:
    folder = generated(tmp_path / "app", "--protobuf", "py", *SHAPES)
    (folder / "app.py").write_text(APPLICATION)
    with running_python_server("app:application", 0, "--app-dir", str(folder), "--reflection") as port:
        listed, file = Reflection(channel(port)).ask(
            {"list_services": ""}, {"file_containing_symbol": "shapes.KindService"}
        )
    assert len(listed.list_services_response.service) == 3
    assert files(file)[0] == "shapes/kinds.proto"
    assert "shapes/legacy.proto" in files(file)
