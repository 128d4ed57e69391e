"""The clients that make the calls."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, Literal, TypeVar

from connectrpc.conformance.v1 import config_pb2
from landbridge.client import TlsSettings, Transport
from landbridge.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from landbridge.compression.brotli import BrotliCompression
from landbridge.compression.gzip import GzipCompression
from landbridge.compression.zstd import ZstdCompression
from landbridge.protocol import ProtocolType

_PROTOCOLS = {
    config_pb2.PROTOCOL_CONNECT: ProtocolType.CONNECT,
    config_pb2.PROTOCOL_GRPC: ProtocolType.GRPC,
    config_pb2.PROTOCOL_GRPC_WEB: ProtocolType.GRPC_WEB,
}
_CODECS = {
    config_pb2.CODEC_PROTO: google_protobuf_binary_codec(),
    config_pb2.CODEC_JSON: google_protobuf_json_codec(),
}
_COMPRESSIONS = {
    config_pb2.COMPRESSION_IDENTITY: None,
    config_pb2.COMPRESSION_GZIP: GzipCompression(),
    config_pb2.COMPRESSION_BR: BrotliCompression(),
    config_pb2.COMPRESSION_ZSTD: ZstdCompression(),
}
_HTTP_VERSIONS: dict[Any, Literal["1.1", "2"]] = {
    config_pb2.HTTP_VERSION_1: "1.1",
    config_pb2.HTTP_VERSION_2: "2",
}

C = TypeVar("C")


class Clients(Generic[C]):
    """One client for all calls that are made alike, one transport for all that need the same."""

    def __init__(self, kind: Callable[..., C]) -> None:
        self._kind = kind
        self._transports: dict[Any, Transport] = {}
        self._clients: dict[Any, C] = {}
        self._making = threading.Lock()

    def of(self, request: Any) -> C:
        """The client that makes such a call."""
        transport_key = (
            request.http_version,
            request.server_tls_cert,
            request.client_tls_creds.cert,
        )
        key = (
            *transport_key,
            request.host,
            request.port,
            request.protocol,
            request.codec,
            request.compression,
            request.message_receive_limit,
        )
        with self._making:
            if transport_key not in self._transports:
                self._transports[transport_key] = _transport(request)
            if key not in self._clients:
                self._clients[key] = self._client(request, self._transports[transport_key])
            return self._clients[key]

    def __iter__(self) -> Iterator[C]:
        return iter(self._clients.values())

    def _client(self, request: Any, transport: Transport) -> C:
        scheme = "https" if request.server_tls_cert else "http"
        compression = _COMPRESSIONS[request.compression]
        settings: dict[str, Any] = {
            "protocol": _PROTOCOLS[request.protocol],
            "codec": _CODECS[request.codec],
            "accept_compression": None if compression is None else [compression],
            "send_compression": compression,
            "compress_min_bytes": 0,
            "read_max_bytes": request.message_receive_limit or None,
            "transport": transport,
        }
        return self._kind(f"{scheme}://{request.host}:{request.port}", **settings)


def _transport(request: Any) -> Transport:
    tls = None
    if request.server_tls_cert:
        own = request.client_tls_creds
        tls = TlsSettings(
            ca=request.server_tls_cert, certificate=own.cert or None, private_key=own.key or None
        )
    return Transport(http_version=_HTTP_VERSIONS[request.http_version], tls=tls)
