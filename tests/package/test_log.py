"""What the log says of connections, to those who ask it for details."""

import logging
import queue
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from landbridge.serving import TlsConfig

from tests.package.certificates import Authority, dns
from tests.package.conftest import Serve
from tests.package.echo import AsyncEcho, unary


async def echo(request: Any, _ctx: Any) -> Any:
    """Answer with the request."""
    return request


class Records(logging.Handler):
    """Keeps what is logged for who waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.records: queue.Queue[logging.LogRecord] = queue.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.records.put(record)


@pytest.fixture
def records() -> Iterator[Records]:
    """What the package logs."""
    handler, logger = Records(), logging.getLogger("landbridge")
    logger.addHandler(handler)
    before = logger.level
    yield handler
    logger.setLevel(before)
    logger.removeHandler(handler)


def test_a_failed_tls_handshake_is_in_the_log_for_debugging(serve: Serve, records: Records) -> None:
    logging.getLogger("landbridge").setLevel(logging.DEBUG)
    authority = Authority()
    server = authority.identity(dns("localhost"))
    tls = TlsConfig(certificate=server.certificate, private_key=server.key, client_ca=authority.certificate)
    port = serve(AsyncEcho(unary(echo)), tls=tls)
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    # Without a certificate of its own, which TLS 1.3 finds out only after the client's handshake is done.
    with (
        socket.create_connection(("127.0.0.1", port)) as client,
        context.wrap_socket(client, server_hostname="localhost") as secure,
        pytest.raises(ssl.SSLError, match="certificate required"),
    ):
        secure.read()
    record = records.records.get(timeout=20)
    assert (record.name, record.levelname) == ("landbridge", "DEBUG")
    assert record.getMessage().startswith("TLS handshake failed; peer: 127.0.0.1:")
    assert "certificate" in record.getMessage()


def test_without_debugging_a_failed_connection_says_nothing(serve: Serve, records: Records) -> None:
    port = serve(AsyncEcho(unary(echo)))
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"nonsense\r\n\r\n")
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 400 ")
        assert client.recv(1) == b""
    assert records.records.empty()


def test_a_connection_that_broke_http_is_in_the_log_for_debugging(serve: Serve, records: Records) -> None:
    logging.getLogger("landbridge").setLevel(logging.DEBUG)
    port = serve(AsyncEcho(unary(echo)))
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"nonsense\r\n\r\n")
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 400 ")
        record = records.records.get(timeout=20)
    assert record.getMessage().startswith("HTTP/1.1 connection failed; peer: 127.0.0.1:")
