"""TLS: whom a client trusts, who it is, and what it asks for."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from landbridge.client import ConnectClientSync, TlsSettings, Transport
from landbridge.code import Code
from landbridge.errors import ConnectError
from landbridge.protocol import ProtocolType
from landbridge.serving import ServerSync, TlsConfig

from tests.client.echo import ECHO, SERVICE, Echo, text
from tests.package.certificates import Authority

PROTOCOLS = pytest.mark.parametrize(
    "protocol", list(ProtocolType), ids=lambda protocol: protocol.name.lower()
)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, in PEM."""

    certificate: bytes
    private_key: bytes


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def pair(authority: trustme.CA, *names: str) -> Pair:
    """A certificate that the authority has signed."""
    issued = authority.issue_cert(*names)
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    return Pair(chain, issued.private_key_pem.bytes())


Serve = Callable[..., str]


@pytest.fixture
def serve_tls(echo: Echo, authority: trustme.CA) -> Iterator[Serve]:
    """Serve `echo` under TLS; gives the URL."""
    running: list[ServerSync] = []

    def start(*names: str, **settings: Any) -> str:
        own = pair(authority, *names)
        tls = TlsConfig(certificate=own.certificate, private_key=own.private_key, **settings)
        running.append(ServerSync(echo.application, port=0, tls=tls))
        running[-1].start()
        return f"https://127.0.0.1:{running[-1].port}"

    yield start
    for server in running:
        server.stop(grace=0)


def call(
    url: str, tls: TlsSettings | None, protocol: ProtocolType = ProtocolType.CONNECT, **settings: Any
) -> str:
    """Call `Echo`."""
    transport = Transport(tls=tls, trust_env=False, **settings)
    with ConnectClientSync(url, protocol=protocol, transport=transport, timeout_ms=20_000) as client:
        return client.execute_unary(request=text("a"), method=ECHO).value


def refused(url: str, tls: TlsSettings | None, **settings: Any) -> str:
    """What is said where the handshake fails."""
    with pytest.raises(ConnectError) as failed:
        call(url, tls, **settings)
    assert failed.value.code is Code.UNAVAILABLE
    return failed.value.message


@PROTOCOLS
@pytest.mark.parametrize("http_version", ["auto", "1.1", "2"])
def test_an_own_authority_is_trusted(
    serve_tls: Serve, authority: trustme.CA, tmp_path: Path, protocol: ProtocolType, http_version: Any
) -> None:
    if protocol is ProtocolType.GRPC:
        http_version = "2"
    url = serve_tls("127.0.0.1")
    root = authority.cert_pem.bytes()
    file = tmp_path / "ca.pem"
    file.write_bytes(root)
    for given in (root, file, str(file)):
        assert call(url, TlsSettings(ca=given), protocol, http_version=http_version) == "a"


def test_the_systems_roots_do_not_know_an_own_authority(serve_tls: Serve) -> None:
    url = serve_tls("127.0.0.1")
    for tls in (None, TlsSettings()):
        said = refused(url, tls)
        assert "the server's certificate is not trusted" in said
        assert "TlsSettings(ca=...)" in said


def test_another_authority_is_not_trusted(serve_tls: Serve) -> None:
    url = serve_tls("127.0.0.1")
    for stranger in (trustme.CA().cert_pem.bytes(), Authority().certificate):
        assert "the server's certificate is not trusted" in refused(url, TlsSettings(ca=stranger))


def test_the_certificate_has_to_carry_the_name(serve_tls: Serve, authority: trustme.CA) -> None:
    url = serve_tls("server.example")
    root = authority.cert_pem.bytes()
    said = refused(url, TlsSettings(ca=root))
    assert "the server's certificate is for server.example, and not for 127.0.0.1" in said
    assert "TlsSettings(server_name=...)" in said
    assert call(url, TlsSettings(ca=root, server_name="server.example")) == "a"
    said = refused(url, TlsSettings(ca=root, server_name="other.example"))
    assert "the server's certificate is for server.example, and not for other.example" in said


@PROTOCOLS
def test_nothing_is_checked_where_that_is_switched_off(serve_tls: Serve, protocol: ProtocolType) -> None:
    assert call(serve_tls("server.example"), TlsSettings(verify=False), protocol) == "a"


@PROTOCOLS
def test_a_client_shows_its_certificate(
    serve_tls: Serve, authority: trustme.CA, protocol: ProtocolType
) -> None:
    root = authority.cert_pem.bytes()
    url = serve_tls("127.0.0.1", client_ca=root)
    own = pair(authority, "me@example.com")
    known = TlsSettings(ca=root, certificate=own.certificate, private_key=own.private_key)
    assert call(url, known, protocol) == "a"
    strange = pair(trustme.CA(), "me@example.com")
    for tls in (
        TlsSettings(ca=root),
        TlsSettings(ca=root, certificate=strange.certificate, private_key=strange.private_key),
    ):
        with pytest.raises(ConnectError) as failed:
            call(url, tls, protocol)
        assert failed.value.code is Code.UNAVAILABLE


def test_a_client_is_known_by_its_own_certificate(serve_tls: Serve, authority: trustme.CA) -> None:
    own, strange = Authority().own, Authority().own
    root = authority.cert_pem.bytes()
    url = serve_tls("localhost", client_ca=own.certificate).replace("127.0.0.1", "localhost")
    for protocol in ProtocolType:
        tls = TlsSettings(ca=root, certificate=own.certificate, private_key=own.key)
        assert call(url, tls, protocol) == "a"
        tls = TlsSettings(ca=root, certificate=strange.certificate, private_key=strange.key)
        with pytest.raises(ConnectError) as failed:
            call(url, tls, protocol)
        assert failed.value.code is Code.UNAVAILABLE
    credentials = grpc.ssl_channel_credentials(root, own.key, own.certificate)
    with grpc.secure_channel(url.removeprefix("https://"), credentials) as channel:
        echo: Callable[..., bytes] = channel.unary_unary(f"/{SERVICE}/Echo")
        assert echo(text("a").SerializeToString(), timeout=20) == text("a").SerializeToString()


def test_what_a_server_has_against_a_clients_certificate_is_told(
    serve_tls: Serve, authority: trustme.CA
) -> None:
    root = authority.cert_pem.bytes()
    url = serve_tls("127.0.0.1", client_ca=root)
    strange = pair(trustme.CA(), "me@example.com")
    # When that arrives, before the request or after it, is chance.
    for http_version in ("1.1", "2") * 5:
        said = refused(url, TlsSettings(ca=root), http_version=http_version)
        assert "the server wants a client certificate, and was shown none" in said
        assert "TlsSettings(certificate=..., private_key=...)" in said
        tls = TlsSettings(ca=root, certificate=strange.certificate, private_key=strange.private_key)
        assert "does not take the client's certificate" in refused(url, tls, http_version=http_version)


def test_a_grpc_server_that_wants_a_certificate_is_told_from_one_that_is_gone(authority: trustme.CA) -> None:
    own, root = pair(authority, "127.0.0.1"), authority.cert_pem.bytes()
    server = grpc.server(ThreadPoolExecutor(1))
    demanding = grpc.ssl_server_credentials([(own.private_key, own.certificate)], root, True)
    port = server.add_secure_port("127.0.0.1:0", demanding)
    server.start()
    try:
        said = refused(f"https://127.0.0.1:{port}", TlsSettings(ca=root), protocol=ProtocolType.GRPC)
    finally:
        server.stop(grace=None).wait()
    # It does not say so itself.
    assert "does not take the client's certificate, or was shown none" in said


def test_a_server_in_cleartext_is_told_from_one_under_tls(serve_tls: Serve, url: str) -> None:
    said = refused(url.replace("http:", "https:"), TlsSettings(verify=False))
    assert "does not speak TLS" in said
    assert "http:// in place of https://" in said
    with pytest.raises(ConnectError) as failed:
        call(serve_tls("127.0.0.1").replace("https:", "http:"), None)
    assert failed.value.code in {Code.UNAVAILABLE, Code.INTERNAL}


def test_certificates_that_do_not_load_are_refused_at_once(tmp_path: Path, authority: trustme.CA) -> None:
    own = pair(authority, "a.example")
    bad: list[dict[str, Any]] = [
        {"ca": tmp_path / "missing.pem"},
        {"ca": b"no certificate"},
        {"certificate": own.certificate},
        {"certificate": own.certificate, "private_key": b"no key"},
    ]
    for settings in bad:
        with pytest.raises(ValueError, match=r"."):
            ConnectClientSync("https://127.0.0.1:1", transport=Transport(tls=TlsSettings(**settings)))
