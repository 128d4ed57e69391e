"""How hard messages are compressed is what the application says, on both sides of a call."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.client import ConnectClientSync
from landbridge.compression.brotli import BrotliCompression
from landbridge.compression.deflate import DeflateCompression
from landbridge.compression.gzip import GzipCompression
from landbridge.compression.zstd import ZstdCompression
from landbridge.errors import ConnectError
from landbridge.method import StreamType
from landbridge.protocol import ProtocolType

from tests.package.conftest import Serve
from tests.package.echo import SERVICE, AsyncEcho, SyncEcho, method, stub, text, unary

WORDS = ["stream", "message", "envelope", "deadline", "trailers", "codec", "unary", "metadata"]
TEXT = " ".join(random.Random(1).choices(WORDS, k=4000))
"""It compresses the better the harder it is tried."""

Make = Callable[[int | None], Any]

COMPRESSIONS = pytest.mark.parametrize(
    ("make", "low", "high"),
    [
        (GzipCompression, 1, 9),
        (BrotliCompression, 0, 11),
        (ZstdCompression, 1, 19),
        (DeflateCompression, 1, 9),
    ],
    ids=["gzip", "br", "zstd", "deflate"],
)


@COMPRESSIONS
def test_a_level_counts_where_data_is_compressed_by_hand(make: Make, low: int, high: int) -> None:
    data = TEXT.encode()
    assert len(make(high).compress(data)) < len(make(low).compress(data))
    for level in (None, low, high):
        assert make(level).decompress(make(level).compress(data), len(data)) == data


@pytest.mark.parametrize("make", [GzipCompression, BrotliCompression, ZstdCompression, DeflateCompression])
def test_a_level_that_there_is_not_is_refused(make: Make) -> None:
    with pytest.raises(ValueError, match="level 100"):
        make(100)


@COMPRESSIONS
def test_a_server_compresses_at_the_level(serve: Serve, make: Make, low: int, high: int) -> None:
    async def answer(_request: StringValue, _ctx: Any) -> StringValue:
        return text(TEXT)

    def size(level: int) -> int:
        port = serve(AsyncEcho(unary(answer), compressions=[make(level)]))
        request = {"content-type": "application/proto", "accept-encoding": make(level).name()}
        url = f"http://127.0.0.1:{port}/{SERVICE}/Echo"
        with httpx.stream("POST", url, headers=request, content=b"") as response:
            assert response.headers["content-encoding"] == make(level).name()
            return len(b"".join(response.iter_raw()))

    assert size(high) < size(low)


def test_levels_of_gzip_and_deflate_are_their_own(serve: Serve) -> None:
    async def answer(_request: StringValue, _ctx: Any) -> StringValue:
        return text(TEXT)

    compressions = [GzipCompression(9), DeflateCompression(1)]
    url = f"http://127.0.0.1:{serve(AsyncEcho(unary(answer), compressions=compressions))}/{SERVICE}/Echo"
    sizes = []
    for compression in compressions:
        request = {"content-type": "application/proto", "accept-encoding": compression.name()}
        with httpx.stream("POST", url, headers=request, content=b"") as response:
            sizes.append(len(b"".join(response.iter_raw())))
    # Their formats differ by 12 bytes.
    assert sizes[0] + 12 < sizes[1]


@pytest.mark.parametrize("application", [AsyncEcho, SyncEcho])
@pytest.mark.parametrize("compression", grpc.Compression)
def test_callers_with_grpcio_use_every_compression_that_it_has_without_a_setting(
    application: Any, compression: grpc.Compression, serve: Serve
) -> None:
    def answer(request: StringValue, _ctx: Any) -> StringValue:
        return request

    with grpc.insecure_channel(f"127.0.0.1:{serve(application(unary(answer)))}") as channel:
        said, call = stub(channel).with_call(text(TEXT), compression=compression, timeout=20)
        assert said == text(TEXT)
        assert call.code() is grpc.StatusCode.OK


@pytest.mark.parametrize("compression", grpc.Compression)
@pytest.mark.parametrize("make", [GzipCompression, DeflateCompression])
def test_servers_with_grpcio_are_called_whatever_they_compress_by(
    make: Make, compression: grpc.Compression
) -> None:
    def answer(request: StringValue, _context: grpc.ServicerContext) -> StringValue:
        return request

    handler = grpc.unary_unary_rpc_method_handler(
        answer, StringValue.FromString, StringValue.SerializeToString
    )
    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads, compression=compression)
        server.add_registered_method_handlers(SERVICE, {"Echo": handler})
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with ConnectClientSync(
            f"http://127.0.0.1:{port}", protocol=ProtocolType.GRPC, send_compression=make(None)
        ) as client:
            said = client.execute_unary(request=text(TEXT), method=method("Echo", StreamType.UNARY))
        server.stop(None).wait()
    assert said == text(TEXT)


@pytest.fixture
def sizes() -> Iterator[tuple[str, list[int]]]:
    """The URL of a server that fails every call, and the sizes of the requests that it has got."""
    got: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(len(self.rfile.read(int(self.headers["content-length"]))))
            self.send_error(503)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", got
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("over_httpx", [False, True], ids=["transport", "httpx"])
@COMPRESSIONS
def test_a_client_compresses_at_the_level(
    sizes: tuple[str, list[int]], make: Make, low: int, high: int, over_httpx: bool
) -> None:
    url, got = sizes
    with httpx.Client(trust_env=False) as http:
        for level in (low, high):
            client = ConnectClientSync(
                url, send_compression=make(level), http_client=http if over_httpx else None
            )
            with client, suppress(ConnectError):
                client.execute_unary(request=text(TEXT), method=method("Echo", StreamType.UNARY))
    assert got[0] > got[1]
