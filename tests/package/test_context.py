"""What a handler learns from its context, and what it says by it."""

import asyncio
import logging
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.code import Code
from landbridge.compression.gzip import GzipCompression
from landbridge.errors import ConnectError
from landbridge.method import StreamType
from landbridge.protocol import ProtocolType
from landbridge.request import Headers, Peer, RequestContext
from landbridge.serving import TlsConfig

from tests.package.certificates import Authority, dns, email, ip, uri
from tests.package.conftest import Serve
from tests.package.echo import SERVICE, AsyncEcho, SyncEcho, method, stub, text, unary

Channel = Callable[[int], grpc.Channel]
Context = RequestContext[Any, Any]

BOTH = pytest.mark.parametrize("application", [AsyncEcho, SyncEcho])


def answering(application: Any, function: Callable[[StringValue, Context], StringValue]) -> Any:
    """The application with one unary method, asynchronous where that is its kind."""

    async def in_loop(request: StringValue, ctx: Context) -> StringValue:
        return function(request, ctx)

    return application(unary(in_loop if application is AsyncEcho else function))


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Signs certificates."""
    return Authority()


def certified(authority: Authority, **settings: Any) -> TlsConfig:
    """A server's side of TLS that wants certificates of the same authority from clients."""
    server = authority.identity(dns("localhost"))
    return TlsConfig(
        certificate=server.certificate, private_key=server.key, client_ca=authority.certificate, **settings
    )


@BOTH
def test_the_peer_is_who_its_certificate_says(application: Any, serve: Serve, authority: Authority) -> None:
    peers: list[Peer] = []

    def look(request: StringValue, ctx: Context) -> StringValue:
        peers.append(ctx.peer)
        return request

    port = serve(answering(application, look), tls=certified(authority))
    spiffe = "spiffe://example.org/talker"
    client = authority.identity(
        dns("client.example"), ip("10.0.0.1"), uri(spiffe), email("a@example.org"), common_name="Claire Ent"
    )
    credentials = grpc.ssl_channel_credentials(authority.certificate, client.key, client.certificate)
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        assert stub(channel)(text("a")).value == "a"
    [peer] = peers
    assert peer.address.rpartition(":")[0] == "127.0.0.1"
    assert (peer.dns_names, peer.ip_addresses, peer.uris) == (("client.example",), ("10.0.0.1",), (spiffe,))
    assert (peer.email_addresses, peer.common_name) == (("a@example.org",), "Claire Ent")
    assert peer.certificates[0] == ssl.PEM_cert_to_DER_cert(client.certificate.decode())


def test_a_certificate_may_have_nothing_but_a_common_name(serve: Serve, authority: Authority) -> None:
    async def look(_request: StringValue, ctx: Context) -> StringValue:
        return text(f"{ctx.peer.common_name} {ctx.peer.dns_names} {ctx.peer}")

    port = serve(AsyncEcho(unary(look)), tls=certified(authority))
    for common_name in ("ünique", "client.example"):
        client = authority.identity(common_name=common_name)
        credentials = grpc.ssl_channel_credentials(authority.certificate, client.key, client.certificate)
        with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
            said = stub(channel)(text("a")).value
        assert said.startswith(f"{common_name} () Peer(127.0.0.1:")
        assert said.endswith(f"['{common_name}'])")


def test_certificates_may_be_files(serve: Serve, authority: Authority, tmp_path: Path) -> None:
    server = authority.identity(dns("localhost"))
    certificate, key, client_ca = (tmp_path / name for name in ("cert.pem", "key.pem", "ca.pem"))
    certificate.write_bytes(server.certificate)
    key.write_bytes(server.key)
    client_ca.write_bytes(authority.certificate)
    tls = TlsConfig(certificate=certificate, private_key=str(key), client_ca=client_ca)

    def look(_request: StringValue, ctx: Context) -> StringValue:
        return text(f"{ctx.peer.dns_names} {ctx.server_address}")

    port = serve(SyncEcho(unary(look)), tls=tls)
    client = authority.identity(dns("client.example"))
    (tmp_path / "client.pem").write_bytes(client.certificate + client.key)
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    context.load_cert_chain(tmp_path / "client.pem")
    with httpx.Client(verify=context) as caller:
        url = f"https://localhost:{port}/{SERVICE}/Echo"
        answer = caller.post(url, json="a")
        without_port = caller.post(url, json="a", headers={"host": "localhost"})
    assert answer.json() == f"('client.example',) localhost:{port}"
    assert without_port.json() == "('client.example',) localhost:443"


def test_a_client_without_a_certificate_is_refused_or_nameless(serve: Serve, authority: Authority) -> None:
    async def look(_request: StringValue, ctx: Context) -> StringValue:
        return text(f"{ctx.peer.certificates} {ctx.peer.dns_names}")

    application = AsyncEcho(unary(look))
    required = serve(application, tls=certified(authority))
    optional = serve(application, tls=certified(authority, client_certificate_required=False))
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    with httpx.Client(verify=context) as client:
        with pytest.raises(httpx.TransportError):
            client.post(f"https://localhost:{required}/{SERVICE}/Echo", json="a")
        answer = client.post(f"https://localhost:{optional}/{SERVICE}/Echo", json="a")
        assert answer.json() == "() ()"


@BOTH
def test_protocol_and_codec_are_those_of_the_call(application: Any, serve: Serve, channel: Channel) -> None:
    def look(_request: StringValue, ctx: Context) -> StringValue:
        assert isinstance(ctx.protocol, ProtocolType)
        return text(f"{ctx.protocol.name} {ctx.codec} {ctx.http_method}")

    port = serve(answering(application, look))
    url = f"http://127.0.0.1:{port}/{SERVICE}/Echo"
    assert stub(channel(port))(text("a")).value == "GRPC proto POST"
    assert httpx.post(url, json="a").json() == "CONNECT json POST"
    web = httpx.post(url, content=b"\0\0\0\0\0", headers={"content-type": "application/grpc-web+proto"})
    assert b"GRPC_WEB proto POST" in web.content


@BOTH
def test_metadata_goes_both_ways_with_every_value(application: Any, serve: Serve, channel: Channel) -> None:
    def look(request: StringValue, ctx: Context) -> StringValue:
        for value in ctx.request_headers.getall("X-Tag"):
            ctx.response_headers.add("x-tag-header", value)
            ctx.response_trailers.add("x-tag-trailer", value)
        ctx.response_headers["x-data-bin"] = ctx.request_headers["x-data-bin"]
        return request

    tags = (("x-tag", "1"), ("x-tag", "2"), ("x-data-bin", b"\0\xff"))
    _, call = stub(channel(serve(answering(application, look)))).with_call(text("a"), metadata=tags)
    head, trailers = call.initial_metadata(), call.trailing_metadata()
    assert [value for name, value in head if name == "x-tag-header"] == ["1", "2"]
    assert [value for name, value in trailers if name == "x-tag-trailer"] == ["1", "2"]
    assert ("x-data-bin", b"\0\xff") in head


@BOTH
def test_binary_metadata_is_sent_as_every_caller_reads_it(
    application: Any, serve: Serve, channel: Channel
) -> None:
    def look(request: StringValue, ctx: Context) -> StringValue:
        ctx.response_headers["x-padded-bin"] = "AAE="
        ctx.response_trailers["x-joined-bin"] = "AA==, AQ"
        return request

    port = serve(answering(application, look))
    _, call = stub(channel(port)).with_call(text("a"))
    assert ("x-padded-bin", b"\0\1") in call.initial_metadata()
    joined = [value for name, value in call.trailing_metadata() if name == "x-joined-bin"]
    assert joined == [b"\0", b"\1"]
    answer = httpx.post(f"http://127.0.0.1:{port}/{SERVICE}/Echo", json="a")
    assert answer.headers["x-padded-bin"] == "AAE"


@BOTH
@pytest.mark.parametrize("where", ["response_headers", "response_trailers"])
def test_binary_metadata_that_is_no_base64_is_the_handlers_mistake(
    application: Any, where: str, serve: Serve, channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    def look(request: StringValue, ctx: Context) -> StringValue:
        getattr(ctx, where)["x-token-bin"] = "no base64 !"
        return request

    port = serve(answering(application, look))
    with pytest.raises(grpc.RpcError) as caught:
        stub(channel(port))(text("a"))
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.UNKNOWN
    assert "x-token-bin is not base64" in caplog.text
    # The line that set it.
    assert 'getattr(ctx, where)["x-token-bin"]' in caplog.text


@BOTH
def test_the_time_that_is_left_runs_down(application: Any, serve: Serve, channel: Channel) -> None:
    seen: list[float | None] = []

    def look(request: StringValue, ctx: Context) -> StringValue:
        seen.extend((ctx.timeout_ms, ctx.timeout_ms))
        return request

    calls = stub(channel(serve(answering(application, look))))
    calls(text("a"))
    calls(text("a"), timeout=30)
    first, second, third, fourth = seen
    assert first is second is None
    assert third is not None
    assert fourth is not None
    # grpcio rounds up.
    assert 0 < fourth < third <= 31_000


def test_the_head_of_a_blocking_stream_leaves_when_it_is_sent(serve: Serve, channel: Channel) -> None:
    go_on = threading.Event()

    def wait(_request: StringValue, ctx: Context) -> Iterator[StringValue]:
        ctx.response_headers["x-early"] = "1"
        ctx.send_headers()
        # What comes after it is too late.
        ctx.response_headers["x-late"] = "1"
        go_on.wait(10)
        yield text("late")

    port = serve(SyncEcho({"Echo": (StreamType.SERVER_STREAM, wait)}))
    call = stub(channel(port), kind="unary_stream")(text("a"))
    head = dict(call.initial_metadata())
    assert head["x-early"] == "1"
    assert "x-late" not in head
    go_on.set()
    assert [message.value for message in call] == ["late"]


@BOTH
def test_callbacks_run_once_in_order_however_the_call_ends(
    application: Any, serve: Serve, channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Any] = []
    over = threading.Event()

    def look(request: StringValue, ctx: Context) -> StringValue:
        ctx.on_done(lambda: told.append(("first", ctx.is_cancelled)))
        ctx.on_done(lambda: 1 / 0)
        ctx.on_done(sys.exit)
        ctx.on_done(lambda: told.append("last"))
        ctx.on_done(over.set)
        if request.value == "fail":
            raise ConnectError(Code.ABORTED, "so it is")
        return request

    calls = stub(channel(serve(answering(application, look))))
    with caplog.at_level(logging.ERROR, "landbridge"):
        calls(text("a"))
        assert over.wait(10)
        assert told == [("first", False), "last"]
        over.clear()
        with pytest.raises(grpc.RpcError):
            calls(text("fail"))
        assert over.wait(10)
    assert told == [("first", False), "last"] * 2
    assert [record.getMessage() for record in caplog.records] == ["a callback of on_done failed"] * 4


def test_a_call_that_was_answered_does_not_count_as_cancelled(serve: Serve) -> None:
    contexts: list[Context] = []

    async def look(request: StringValue, ctx: Context) -> StringValue:
        contexts.append(ctx)
        return request

    port = serve(AsyncEcho(unary(look)))
    with httpx.Client() as client:
        # The second answer comes after the first call is over in every way.
        for _ in range(2):
            assert client.post(f"http://127.0.0.1:{port}/{SERVICE}/Echo", json="a").json() == "a"
    assert contexts[0].is_cancelled is False


@BOTH
@pytest.mark.parametrize(
    ("wish", "accepted", "used"),
    [
        (None, "gzip", "gzip"),
        ("identity", "gzip", None),
        ("gzip", "br", None),
        ("gzip", "br, gzip", "gzip"),
        # Who takes deflate alone gets it; not everybody means the same by it.
        (None, "deflate, gzip", "gzip"),
        (None, "deflate", "deflate"),
        ("deflate", "gzip, deflate", "deflate"),
    ],
)
def test_the_compression_of_the_answer_is_the_handlers_wish_where_the_caller_takes_it(
    application: Any, wish: str | None, accepted: str, used: str | None, serve: Serve
) -> None:
    def answer(_request: StringValue, ctx: Context) -> StringValue:
        assert ctx.send_compression is None
        ctx.send_compression = wish
        assert ctx.send_compression == wish
        return text("x" * 5000)

    port = serve(answering(application, answer))
    said = httpx.post(
        f"http://127.0.0.1:{port}/{SERVICE}/Echo", json="a", headers={"accept-encoding": accepted}
    )
    assert said.json() == "x" * 5000
    assert said.headers.get("content-encoding") == used


def test_a_wish_that_comes_long_before_the_answer_is_kept(serve: Serve) -> None:
    async def answer(_request: StringValue, ctx: Context) -> StringValue:
        ctx.send_compression = "identity"
        # The wish crosses to the network meanwhile.
        await asyncio.sleep(0.05)
        return text("x" * 5000)

    port = serve(AsyncEcho(unary(answer)))
    said = httpx.post(f"http://127.0.0.1:{port}/{SERVICE}/Echo", json="a")
    assert said.json() == "x" * 5000
    assert "content-encoding" not in said.headers


@BOTH
def test_a_compression_of_the_applications_own_may_be_wished_for(application: Any, serve: Serve) -> None:
    class Mirrored:
        def name(self) -> str:
            return "mirrored"

        def compress(self, data: bytes | bytearray | memoryview) -> bytes:
            return bytes(data)[::-1]

        def decompress(
            self, data: bytes | bytearray | memoryview, read_max_bytes: int | None = None
        ) -> bytes:
            assert read_max_bytes is not None
            return bytes(data)[::-1]

    def answer(request: StringValue, ctx: Context) -> StringValue:
        ctx.send_compression = request.value
        return text("x" * 5000)

    async def in_loop(request: StringValue, ctx: Context) -> StringValue:
        return answer(request, ctx)

    methods = unary(in_loop if application is AsyncEcho else answer)
    port = serve(application(methods, compressions=[GzipCompression(), Mirrored()]))
    url = f"http://127.0.0.1:{port}/{SERVICE}/Echo"

    def said(wish: str, accepted: str) -> tuple[str | None, bytes]:
        answer = httpx.post(url, json=wish, headers={"accept-encoding": accepted})
        return answer.headers.get("content-encoding"), answer.content

    assert said("mirrored", "gzip, mirrored") == ("mirrored", b'"' + b"x" * 5000 + b'"')
    assert said("gzip", "mirrored, gzip")[0] == "gzip"
    assert said("identity", "mirrored, gzip")[0] is None
    # Passed over, and what the caller takes stays in use.
    assert said("zstd", "mirrored")[0] == "mirrored"
    assert said("mirrored", "gzip")[0] == "gzip"


def test_a_compression_that_nobody_knows_is_a_mistake(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async def answer(request: StringValue, ctx: Context) -> StringValue:
        ctx.send_compression = "nonsense"
        return request

    port = serve(AsyncEcho(unary(answer), show_exceptions=True))
    said = httpx.post(f"http://127.0.0.1:{port}/{SERVICE}/Echo", json="a").json()
    assert said == {"code": "unknown", "message": 'ValueError: "nonsense" is no compression known here'}
    assert len(caplog.records) == 1


def test_a_context_is_made_by_hand_for_tests_of_handlers() -> None:
    ctx: Context = RequestContext(
        method=method("Echo", StreamType.UNARY),
        http_method="POST",
        request_headers=Headers({"x-tag": "1"}),
        timeout_ms=5000,
        server_address="here:1",
        client_address="there:2",
    )
    assert ctx.request_headers["X-Tag"] == "1"
    assert ctx.timeout_ms is not None
    assert 0 < ctx.timeout_ms <= 5000
    assert (ctx.server_address, ctx.client_address, ctx.peer.address) == ("here:1", "there:2", "there:2")
    ctx.send_compression = "gzip"

    async def echo(request: StringValue, ctx: Context) -> AsyncIterator[StringValue]:
        await ctx.send_headers()
        yield request

    async def first() -> StringValue:
        return await anext(echo(text("a"), ctx))

    assert asyncio.run(first()).value == "a"
