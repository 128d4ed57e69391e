"""Settings and arguments that cannot work are refused where they are given, in words."""

import asyncio
import lzma
import re
from datetime import timedelta
from typing import Any

import grpc
import pytest
from connectrpc.request import Headers as TheirHeaders
from google.protobuf.wrappers_pb2 import Int32Value
from landbridge._core import ClientExchange
from landbridge._protocols import NAMES
from landbridge.client import ConnectClient, ConnectClientSync, InMemory, InMemorySync, TlsSettings, Transport
from landbridge.code import Code
from landbridge.compression.gzip import GzipCompression
from landbridge.errors import ConnectError
from landbridge.request import Headers

from tests.client.echo import ECHO, text
from tests.package.echo import AsyncEcho, SyncEcho, unary


@pytest.mark.parametrize(
    "name",
    [
        "dns_refresh",
        "backoff_initial",
        "backoff_max",
        "max_connections",
        "max_pending_calls",
        "max_streams_per_connection",
        "max_header_bytes",
    ],
)
def test_settings_of_zero_are_refused(name: str) -> None:
    settings: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=name):
        Transport(**settings)


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"address": None}, TypeError, 'the address is None: it must be a str, as "http://127.0.0.1:8080"'),
        ({"address": b"http://a"}, TypeError, "the address is b'http://a': it must be a str"),
        ({"address": ["http://a", 3]}, TypeError, "the address is 3: it must be a str"),
        ({"address": []}, ValueError, "no address of a server is given: at least one is needed"),
        (
            {"protocol": "grpc"},
            TypeError,
            "protocol is 'grpc': it must be a landbridge.protocol.ProtocolType",
        ),
        ({"codec": "json"}, TypeError, "codec is 'json': it must be an object with name, encode, decode"),
        (
            {"accept_compression": ["gzip"]},
            TypeError,
            "accept_compression[0] is 'gzip': it must be an object with name, compress, decompress, as Gzip",
        ),
        (
            {"accept_compression": GzipCompression()},
            TypeError,
            "accept_compression is a GzipCompression: it must be a list, as [GzipCompression()]",
        ),
        ({"send_compression": "gzip"}, TypeError, "send_compression is 'gzip': it must be an object with"),
        (
            {"send_compression": GzipCompression},
            TypeError,
            "send_compression is the class GzipCompression: it must be an object",
        ),
        (
            {"read_max_bytes": "4M"},
            TypeError,
            "read_max_bytes is '4M': it must be a whole number, 1 or more, or -1 for no limit",
        ),
        ({"read_max_bytes": 0}, ValueError, "read_max_bytes is 0: it must be a whole number, 1 or more, or"),
        ({"read_max_bytes": -2}, ValueError, "read_max_bytes is -2: it must be a whole number"),
        ({"compress_min_bytes": -1}, ValueError, "compress_min_bytes is -1: it must be a whole number, 0 or"),
        ({"transport": "h2"}, TypeError, "transport is 'h2': it must be a landbridge.client.Transport, or"),
        ({"wait_for_ready": 1}, TypeError, "wait_for_ready is 1: it must be a bool, or None"),
        ({"timeout_ms": True}, TypeError, "timeout_ms is True: it must be a number of milliseconds, a time"),
    ],
)
@pytest.mark.parametrize("client", [ConnectClient, ConnectClientSync])
def test_an_argument_of_a_client_that_makes_no_sense_is_named(
    client: Any, settings: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=re.escape(said)):
        client(**{"address": "http://127.0.0.1:1", **settings})


@pytest.mark.parametrize(
    ("timeout", "error", "says"),
    [
        (float("nan"), ValueError, "nan"),
        (float("inf"), ValueError, "inf.*None for no limit"),
        (10**400, ValueError, "None for no limit"),
        ("1", TypeError, "'1'"),
    ],
)
def test_what_is_no_time_is_refused(url: str, timeout: Any, error: type[Exception], says: str) -> None:
    with ConnectClientSync(url) as client, pytest.raises(error, match=rf"timeout_ms.*{says}"):
        client.execute_unary(request=text("a"), method=ECHO, timeout_ms=timeout)
    with pytest.raises(error, match="timeout_ms"):
        ConnectClientSync(url, timeout_ms=timeout)


def test_a_time_longer_than_any_is_refused_whatever_carries_the_call(url: str) -> None:
    in_memory = InMemorySync(SyncEcho(unary(lambda request, _ctx: request)))
    for http_client in (None, in_memory):
        with (
            ConnectClientSync(url, http_client=http_client) as client,
            pytest.raises(ValueError, match=r"timeout_ms is 1e\+300: it must be a number of milliseconds"),
        ):
            client.execute_unary(request=text("a"), method=ECHO, timeout_ms=1e300)


def test_times_are_numbers_or_timedeltas(url: str) -> None:
    times: list[float | timedelta | None] = [20_000, 20_000.0, timedelta(seconds=20), None]
    for timeout in times:
        with ConnectClientSync(url, timeout_ms=timeout) as client:
            assert client.execute_unary(request=text("a"), method=ECHO).value == "a"


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Tag", "1"), ("x-tag", "2")],
        (("x-tag", "1"), ("x-tag", "2")),
        [["x-tag", "1"], ["x-tag", "2"]],
        Headers([("x-tag", "1"), ("x-tag", "2")]),
        TheirHeaders([("x-tag", "1"), ("x-tag", "2")]),
        grpc.aio.Metadata(("x-tag", "1"), ("x-tag", "2")),
    ],
    ids=["lines", "a tuple", "lists", "Headers", "Headers of Connect-Python", "metadata of grpcio"],
)
def test_headers_are_a_mapping_or_lines(serve: Any, headers: Any) -> None:
    def tags(_request: Any, ctx: Any) -> Any:
        return text(",".join(ctx.request_headers.getall("x-tag")))

    url = f"http://127.0.0.1:{serve(SyncEcho(unary(tags)))}"

    async def call() -> str:
        async with ConnectClient(url) as client:
            return (await client.execute_unary(request=text(""), method=ECHO, headers=headers)).value

    assert asyncio.run(call()) == "1,2"
    with ConnectClientSync(url) as client:
        assert client.execute_unary(request=text(""), method=ECHO, headers=headers).value == "1,2"
        one = client.execute_unary(request=text(""), method=ECHO, headers={"x-tag": "1"})
        assert one.value == "1"


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ("x-tag: secret", "headers is a str: it must be a mapping of str to str, or a list of such pairs"),
        (5, "headers is a int: it must be a mapping"),
        (["x-tag"], "headers[0] is a str: it must be a mapping"),
        ([("x-a", "1"), ("x-b", "1", "2")], "headers[1] is a tuple: it must be a mapping"),
        ({"x-tag": 1}, "the header 'x-tag' is a int: it must be a str"),
        ([("x-tag", None)], "the header 'x-tag' is a NoneType: it must be a str"),
        (
            [("token-bin", b"\0secret")],
            "the header 'token-bin' is a bytes: it must be a str, in base64 for a binary",
        ),
        ({1: "1"}, "the name of a header is a int: it must be a str"),
    ],
)
def test_headers_that_are_none_are_named_and_their_values_never_shown(
    url: str, headers: Any, said: str
) -> None:
    with ConnectClientSync(url) as client:
        for call in (client.execute_unary, client.execute_server_stream):
            with pytest.raises(TypeError, match=re.escape(said)) as caught:
                call(request=text("a"), method=ECHO, headers=headers)
            assert "secret" not in str(caught.value)


async def asgi(_scope: Any, _receive: Any, _send: Any) -> None:
    """Do nothing."""


def wsgi(_environ: Any, _start_response: Any) -> list[bytes]:
    """Answer nothing."""
    return []


@pytest.mark.parametrize(
    ("kind", "application", "said"),
    [
        (InMemory, SyncEcho(unary(wsgi)), "is a SyncEcho: it must be an ASGI application, as InMemorySync"),
        (InMemory, wsgi, "is a function: it must be an ASGI application"),
        (InMemory, "app", "is 'app': it must be an ASGI application"),
        (InMemorySync, AsyncEcho(unary(wsgi)), "is a AsyncEcho: it must be a WSGI application, as InMemory"),
        (InMemorySync, asgi, "is a function: it must be a WSGI application"),
        (InMemorySync, None, "is None: it must be a WSGI application"),
    ],
)
def test_an_application_in_memory_of_the_other_kind_is_refused(
    kind: Any, application: Any, said: str
) -> None:
    with pytest.raises(TypeError, match=f"the application {re.escape(said)}"):
        kind(application)
    assert InMemory(asgi)
    with InMemorySync(wsgi) as entered:
        assert isinstance(entered, InMemorySync)


class Xz:
    """A compression of the application's own."""

    def name(self) -> str:
        """As in headers."""
        return "xz"

    def compress(self, data: bytes) -> bytes:
        """Compress."""
        return lzma.compress(data)

    def decompress(self, data: bytes, read_max_bytes: int | None = None) -> bytes:
        """Decompress up to a limit."""
        decompressor = lzma.LZMADecompressor()
        out = decompressor.decompress(data, -1 if read_max_bytes is None else read_max_bytes)
        if not decompressor.eof:
            raise ConnectError(Code.RESOURCE_EXHAUSTED, f"larger than {read_max_bytes} bytes")
        return out


@pytest.mark.parametrize("compression", [GzipCompression(), Xz()], ids=["of the core", "its own"])
def test_responses_are_read_up_to_4_mib_unless_another_limit_is_given_or_none(compression: Any) -> None:
    def fill(_request: Any, _ctx: Any) -> Any:
        return text("a" * (4 << 20))

    application = SyncEcho(unary(fill), compressions=[compression])
    limits: list[tuple[int | None, bool]] = [
        (None, False),
        (4 << 20, False),
        ((4 << 20) + 10, True),
        (-1, True),
        (1 << 80, True),
    ]
    for limit, is_read in limits:
        with ConnectClientSync(
            "http://in-memory",
            http_client=InMemorySync(application),
            accept_compression=[compression],
            read_max_bytes=limit,
        ) as client:
            if is_read:
                assert len(client.execute_unary(request=text("a"), method=ECHO).value) == 4 << 20
                continue
            with pytest.raises(ConnectError) as refused:
                client.execute_unary(request=text("a"), method=ECHO)
            assert refused.value.code is Code.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("message", ["text", None, Int32Value(value=1)])
def test_what_is_no_message_of_the_method_is_refused(url: str, message: Any) -> None:
    with ConnectClientSync(url) as client, pytest.raises(TypeError, match=r"Echo.*it takes a StringValue"):
        client.execute_unary(request=message, method=ECHO)


def test_pem_is_taken_as_text_and_never_shown() -> None:
    secret = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
    with pytest.raises(ValueError, match="certificate") as refused:
        ConnectClientSync(
            "https://127.0.0.1:1",
            transport=Transport(tls=TlsSettings(certificate=secret, private_key=secret)),
        )
    assert "c2VjcmV0" not in str(refused.value)


@pytest.mark.parametrize(
    ("protocol", "kind", "says"),
    [("grcp", 0, '"grcp" is no protocol'), ("", 0, '"" is no protocol'), ("grpc", 200, "200 is no kind")],
)
def test_the_core_takes_no_name_or_number_for_another(protocol: str, kind: int, says: str) -> None:
    def exchange(protocol: str, kind: int) -> ClientExchange:
        style: dict[str, Any] = {
            "protocol": protocol,
            "codec": "proto",
            "accept_compressions": [],
            "send_compression": "identity",
            "compression_level": None,
            "compress_min_bytes": 0,
            "read_max_bytes": 1,
            "user_agent": "test",
        }
        return ClientExchange(style, path="/a.S/M", kind=kind, headers=None, timeout_ms=None, get=False)

    for known in NAMES.values():
        exchange(known, 3)
    with pytest.raises(ValueError, match=says):
        exchange(protocol, kind)
