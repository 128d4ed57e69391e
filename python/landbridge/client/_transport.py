"""What clients share: connections and everything about them."""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from landbridge import _core
from landbridge._settings import pem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Literal

__all__ = ["TlsSettings", "Transport"]


def _after_fork_in_child() -> None:
    # A server sees the end of a connection only when the child has let go of its copy, too. What comes in its
    # place keeps the number, because whoever had it in the parent may still close that.
    if sockets := _core.after_fork_in_child():
        with suppress(OSError):
            nothing = os.open(os.devnull, os.O_RDWR)
            for socket in sockets:
                os.dup2(nothing, socket, inheritable=False)
            os.close(nothing)


# The core's thread stands still while the process forks, and the child starts anew.
os.register_at_fork(
    before=_core.before_fork,
    after_in_parent=_core.after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)

_default: Transport | None = None
_making_default = threading.Lock()


class TlsSettings:
    """The client's side of TLS. Certificates are given as PEM, or as the path of a PEM file."""

    __slots__ = ("_settings",)

    def __init__(
        self,
        *,
        ca: bytes | str | Path | None = None,
        certificate: bytes | str | Path | None = None,
        private_key: bytes | str | Path | None = None,
        server_name: str | None = None,
        verify: bool = True,
    ) -> None:
        """Settle whom to trust and who to be.

        Args:
            ca: The authority that the server's certificate must lead to, or that certificate itself; what the
                system trusts without it.
            certificate: The client's own certificate chain, for servers that ask for one (mTLS).
            private_key: Its private key.
            server_name: The name that the certificate must carry and that is sent to the server (SNI), in
                place of the address's.
            verify: Whether certificates are checked at all. Without it, nobody knows who answers.
        """
        self._settings = {
            "ca": None if ca is None else pem(ca),
            "certificate_chain": None if certificate is None else pem(certificate),
            "private_key": None if private_key is None else pem(private_key),
            "server_name": server_name,
            "verify": verify,
        }


class Transport:
    """Connections to servers, and the settings of all calls that go over them.

    Clients that are given the same transport share the connections to a server. A client without one uses
    `Transport.default()`. A connection closes when the last client of its server is closed. Times are in
    seconds; `None` switches a limit off.
    """

    def __init__(
        self,
        *,
        tls: TlsSettings | None = None,
        http_version: Literal["auto", "1.1", "2"] = "auto",
        load_balancing: Literal["pick_first", "round_robin"] | None = None,
        wait_for_ready: bool = False,
        service_config: Mapping[str, Any] | str | None = None,
        health_check: str | None = None,
        proxy: str | None = None,
        trust_env: bool = True,
        authority: str | None = None,
        connect_timeout: float = 5.0,
        idle_timeout: float | None = 1800.0,
        max_connection_age: float | None = None,
        keepalive_interval: float | None = None,
        keepalive_timeout: float = 20.0,
        max_connections: int = 1024,
        max_pending_calls: int = 65536,
        max_streams_per_connection: int | None = None,
        max_header_bytes: int = 64 << 10,
        backoff_initial: float = 0.05,
        backoff_max: float = 5.0,
        dns_refresh: float = 30.0,
    ) -> None:
        """Settle how calls are carried.

        Args:
            tls: Certificates, for `https` addresses.
            http_version: `auto` speaks HTTP/2 for gRPC, what the server prefers under TLS, and HTTP/1.1
                otherwise. `2` speaks HTTP/2 in cleartext too, which both ways of a Connect stream at once
                need.
            load_balancing: Which address of several a call goes to: the first that can be reached, or one
                after the other. By default `round_robin` where a client is given several addresses, else
                `pick_first`.
            wait_for_ready: Whether calls wait for a server that cannot be reached, up to their deadline,
                instead of failing with `UNAVAILABLE` at once.
            service_config: gRPC's service config, as a mapping or in JSON: `methodConfig` with `retryPolicy`,
                `hedgingPolicy`, `timeout` and `waitForReady`; `retryThrottling`; `loadBalancingConfig`.
            health_check: The name of a service (or `""`); only addresses whose `grpc.health.v1` service
                says that it serves get calls.
            proxy: `http://[user:password@]host:port` of a proxy that opens connections by CONNECT.
            trust_env: Whether `https_proxy`, `http_proxy`, `all_proxy` and `no_proxy` of the environment
                count where there is no `proxy`.
            authority: What calls are addressed to (`:authority`, `host`) in place of the address's own.
            connect_timeout: Time for the socket and the TLS handshake together.
            idle_timeout: How long a connection without calls is kept.
            max_connection_age: The age from which a connection takes no more calls.
            keepalive_interval: Silence after which an HTTP/2 PING is sent. Many servers close connections
                that ping more than once in five minutes.
            keepalive_timeout: Time for the answer to a PING.
            max_connections: Connections to one address.
            max_pending_calls: Calls that may wait for a connection; one more is `RESOURCE_EXHAUSTED`.
            max_streams_per_connection: Calls at once on one HTTP/2 connection, where the server allows more.
            max_header_bytes: The largest head of a response.
            backoff_initial: The delay before the second try to reconnect; it doubles from there.
            backoff_max: The longest such delay.
            dns_refresh: The time between two look-ups of a name. A failure to connect looks it up sooner.
        """
        self.wait_for_ready = wait_for_ready
        """Whether calls wait for a server that cannot be reached."""
        if service_config is not None and not isinstance(service_config, str):
            service_config = json.dumps(service_config)
        self._proxy = proxy
        self._trust_env = trust_env
        settings = {
            "http_version": http_version,
            "load_balancing": load_balancing,
            "connect_timeout": connect_timeout,
            "idle_timeout": idle_timeout,
            "max_connection_age": max_connection_age,
            "keepalive_interval": keepalive_interval,
            "keepalive_timeout": keepalive_timeout,
            "max_connections": max_connections,
            "max_pending_calls": max_pending_calls,
            "max_streams_per_connection": max_streams_per_connection,
            "max_header_bytes": max_header_bytes,
            "backoff_initial": backoff_initial,
            "backoff_max": backoff_max,
            "dns_refresh": dns_refresh,
            "authority": authority,
            "health_check": health_check,
            "service_config": service_config,
        }
        self._core = _core.Transport(settings, (tls or TlsSettings())._settings)

    @staticmethod
    def default() -> Transport:
        """The one that clients without a transport share."""
        global _default  # noqa: PLW0603
        with _making_default:
            if _default is None:
                _default = Transport()
            return _default

    def _client(self, addresses: Sequence[str], style: Mapping[str, Any]) -> _core.Client:
        return self._core.client(list(addresses), style, proxy=self._proxy, trust_env=self._trust_env)
