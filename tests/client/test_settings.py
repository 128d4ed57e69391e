"""Settings and arguments that cannot work are refused where they are given, in words."""

from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.wrappers_pb2 import Int32Value
from landbridge._core import ClientExchange
from landbridge._protocols import NAMES
from landbridge.client import ConnectClientSync, TlsSettings, Transport

from tests.client.echo import ECHO, text


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
    ("timeout", "error", "says"), [(float("nan"), ValueError, "nan"), ("1", TypeError, "'1'")]
)
def test_what_is_no_time_is_refused(url: str, timeout: Any, error: type[Exception], says: str) -> None:
    with ConnectClientSync(url) as client, pytest.raises(error, match=rf"timeout_ms.*{says}"):
        client.execute_unary(request=text("a"), method=ECHO, timeout_ms=timeout)
    with pytest.raises(error, match="timeout_ms"):
        ConnectClientSync(url, timeout_ms=timeout)


def test_times_are_numbers_or_timedeltas(url: str) -> None:
    times: list[float | timedelta | None] = [20_000, 20_000.0, timedelta(seconds=20), None]
    for timeout in times:
        with ConnectClientSync(url, timeout_ms=timeout) as client:
            assert client.execute_unary(request=text("a"), method=ECHO).value == "a"


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
