"""The schemas of a server's services, as gRPC's server reflection asks for them, v1 and v1alpha.

    async with Server(application, ReflectionService()) as server:
        ...

With it grpcurl, Postman, Envoy's transcoder, `landbridge bridge` and others need no `.proto` files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from landbridge import _schemas
from landbridge._described import Described
from landbridge.method import IdempotencyLevel, MethodInfo, StreamType
from landbridge.server import ConnectASGIApplication, ConnectWSGIApplication, Endpoint, EndpointSync

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

    from landbridge._described import Application
    from landbridge.request import RequestContext

__all__ = ["ReflectionService", "ReflectionServiceSync"]

_PACKAGES = ("grpc.reflection.v1", "grpc.reflection.v1alpha")
_NOT_FOUND, _INVALID_ARGUMENT = 5, 3


class _Reflection:
    """What both kinds have in common."""

    _described: Described
    _of_all: bool

    @property
    def path(self) -> str:
        """Where the methods of v1 are. Those of v1alpha are elsewhere: it needs to be mounted at the root."""
        return f"/{_PACKAGES[0]}.ServerReflection"

    @property
    def _service_names(self) -> tuple[str, ...]:
        return tuple(f"{package}.ServerReflection" for package in _PACKAGES)

    def _begin(self, applications: Iterable[Application]) -> None:
        self._described = Described()
        self._described.add(applications)
        # Given none, it speaks of all that are served beside it.
        self._of_all = not self._described.services

    def _joined(self, applications: Sequence[Any]) -> None:
        if self._of_all:
            self._described.add(applications)


class ReflectionService(_Reflection, ConnectASGIApplication[None]):
    """Answers in an event loop: an application for `Server`, and any other ASGI server."""

    def __init__(self, *applications: Application) -> None:
        """Speak of `applications`; if none are given, of all that the same `Server` serves."""
        self._begin(applications)
        super().__init__(
            service=None,
            endpoints=lambda _: {
                _path(package): Endpoint.bidi_stream(_method(package), self._answers(package))
                for package in _PACKAGES
            },
            desc=_desc,
        )

    def _answers(self, package: str) -> Callable[[AsyncIterator[Any], Any], AsyncIterator[Any]]:
        async def answers(
            requests: AsyncIterator[Any], _ctx: RequestContext[Any, Any], /
        ) -> AsyncIterator[Any]:
            async for request in requests:
                yield _answer(self._described, package, request)

        return answers


class ReflectionServiceSync(_Reflection, ConnectWSGIApplication):
    """Answers on threads: an application for WSGI servers."""

    def __init__(self, *applications: Application) -> None:
        """Speak of `applications`; if none are given, of all that the same `Server` serves."""
        self._begin(applications)
        super().__init__(
            endpoints={
                _path(package): EndpointSync.bidi_stream(_method(package), self._answers(package))
                for package in _PACKAGES
            },
            desc=_desc,
        )

    def _answers(self, package: str) -> Callable[[Iterator[Any], Any], Iterator[Any]]:
        def answers(requests: Iterator[Any], _ctx: RequestContext[Any, Any], /) -> Iterator[Any]:
            for request in requests:
                yield _answer(self._described, package, request)

        return answers


def _desc() -> Any:
    return _schemas.pool().FindServiceByName(f"{_PACKAGES[0]}.ServerReflection")


def _path(package: str) -> str:
    return f"/{package}.ServerReflection/ServerReflectionInfo"


def _method(package: str) -> MethodInfo[Any, Any]:
    return MethodInfo(
        name="ServerReflectionInfo",
        service_name=f"{package}.ServerReflection",
        input=_schemas.message(f"{package}.ServerReflectionRequest"),
        output=_schemas.message(f"{package}.ServerReflectionResponse"),
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.BIDI_STREAM,
    )


def _answer(described: Described, package: str, request: Any) -> Any:
    """The response to one request. What does not exist is an answer too; the stream goes on."""
    response = _schemas.message(f"{package}.ServerReflectionResponse")(
        valid_host=request.host, original_request=request
    )
    asked = request.WhichOneof("message_request")
    files: list[bytes] | None = None
    if asked == "list_services":
        for name in described.services:
            response.list_services_response.service.add(name=name)
        return response
    if asked == "all_extension_numbers_of_type":
        message = request.all_extension_numbers_of_type
        numbers = described.extension_numbers(message)
        if numbers is not None:
            response.all_extension_numbers_response.base_type_name = message
            response.all_extension_numbers_response.extension_number.extend(numbers)
            return response
        missing = f"message {message!r}"
    elif asked == "file_by_filename":
        files = described.file(request.file_by_filename)
        missing = f"file {request.file_by_filename!r}"
    elif asked == "file_containing_symbol":
        files = described.file_of(request.file_containing_symbol)
        missing = f"symbol {request.file_containing_symbol!r}"
    elif asked == "file_containing_extension":
        extension = request.file_containing_extension
        files = described.file_of_extension(extension.containing_type, extension.extension_number)
        missing = f"extension {extension.extension_number} of {extension.containing_type!r}"
    else:
        response.error_response.error_code = _INVALID_ARGUMENT
        response.error_response.error_message = "the request asks for nothing"
        return response
    if files is None:
        response.error_response.error_code = _NOT_FOUND
        response.error_response.error_message = f"there is no {missing} here"
    else:
        response.file_descriptor_response.file_descriptor_proto.extend(files)
    return response
