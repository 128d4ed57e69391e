"""What the runner is told of a call."""

from collections.abc import Sequence
from typing import Any

from connectrpc.conformance.v1 import client_compat_pb2, config_pb2, service_pb2
from google.protobuf.any_pb2 import Any as PackedAny
from landbridge.client import ResponseMetadata
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.request import Headers

_CODES = list(Code)
"""In the order of their numbers, which begin at one."""


class Answer:
    """What has come of a call so far."""

    def __init__(self, requests: int, metadata: ResponseMetadata) -> None:
        self.unsent = requests
        """Messages of the request that were not sent."""
        self._metadata = metadata
        self._payloads: list[service_pb2.ConformancePayload] = []
        self._headers = Headers()
        self._trailers = Headers()
        self._error: service_pb2.Error | None = None

    def add(self, response: Any) -> int:
        """A response has come; gives the number of them."""
        self._payloads.append(response.payload)
        return len(self._payloads)

    def ended(self, headers: Headers, trailers: Headers) -> None:
        """The stream has ended well."""
        self._headers, self._trailers = headers, trailers

    def ended_with(self, response: Any) -> None:
        """The one response has come, its headers and trailers with it."""
        self.add(response)
        self.ended(self._metadata.headers, self._metadata.trailers)

    def failed(self, error: ConnectError) -> None:
        """The call has failed."""
        self.ended(error.headers, error.trailers)
        details = [
            PackedAny(type_url=f"type.googleapis.com/{detail.type_name}", value=detail.message_bytes)
            for detail in error.details
        ]
        code = _CODES.index(error.code) + 1
        self._error = service_pb2.Error(code=code, message=error.message, details=details)

    def given_up(self) -> None:
        """The task that made the call was cancelled."""
        self._error = service_pb2.Error(code=config_pb2.CODE_CANCELED)

    def result(self) -> Any:
        """The same for the runner."""
        return client_compat_pb2.ClientResponseResult(
            response_headers=_lines(self._headers),
            response_trailers=_lines(self._trailers),
            payloads=self._payloads,
            error=self._error,
            num_unsent_requests=self.unsent,
            http_status_code=self._metadata.http_status,
        )


def _lines(headers: Headers) -> Sequence[Any]:
    return [service_pb2.Header(name=name, value=headers.getall(name)) for name in headers]
