"""Envoy files for tests: the shape of the seed file, with the parts a test changes as arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TYPE = "type.googleapis.com/envoy.extensions"

Json = dict[str, Any]


@dataclass(frozen=True)
class Credentials:
    """A certificate and its private key, in PEM."""

    certificate: str
    key: str


@dataclass(frozen=True)
class ListenerTls:
    """TLS on a listener; with `client_ca`, callers must show a certificate that it vouches for."""

    own: Credentials
    client_ca: str | None = None


@dataclass(frozen=True)
class UpstreamTls:
    """TLS towards an upstream that `server_ca` vouches for, showing `own` when asked who is calling."""

    server_ca: str
    own: Credentials | None = None
    server_name: str | None = None


@dataclass(frozen=True)
class Upstream:
    """One server that the bridge sends calls to."""

    port: int
    host: str = "127.0.0.1"
    tls: UpstreamTls | None = None
    http1: bool = False
    """Whether it speaks HTTP/1.1; otherwise HTTP/2."""
    landbridge: Mapping[str, Any] = field(default_factory=dict)
    """Settings that only landbridge has (`metadata.filter_metadata.landbridge`)."""


def envoy_file(
    upstream: Upstream, *, tls: ListenerTls | None = None, route: Mapping[str, Any] | None = None
) -> Json:
    """One listener that sends everything to one upstream; every port is picked by the system.

    `route` holds further fields of the route action, a `timeout` for example.
    """
    return {
        "admin": {"address": _socket_address("127.0.0.1", 0)},
        "static_resources": {"listeners": [_listener(tls, route or {})], "clusters": [_cluster(upstream)]},
    }


def _listener(tls: ListenerTls | None, route: Mapping[str, Any]) -> Json:
    chain: Json = {"filters": [_connection_manager(route)]}
    if tls is not None:
        chain["transport_socket"] = _listener_tls(tls)
    return {"name": "listener_0", "address": _socket_address("127.0.0.1", 0), "filter_chains": [chain]}


def _connection_manager(route: Mapping[str, Any]) -> Json:
    manager = f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager"
    everything = {"match": {"prefix": "/"}, "route": {"cluster": "service_0", **route}}
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": manager,
            "stat_prefix": "ingress_http",
            "codec_type": "AUTO",
            "route_config": {
                "name": "local_route",
                "virtual_hosts": [{"name": "local_service", "domains": ["*"], "routes": [everything]}],
            },
            "http_filters": [
                _http_filter("connect_grpc_bridge", "FilterConfig"),
                _http_filter("grpc_web", "GrpcWeb"),
                _http_filter("router", "Router"),
            ],
        },
    }


def _http_filter(name: str, message: str) -> Json:
    return {
        "name": f"envoy.filters.http.{name}",
        "typed_config": {"@type": f"{TYPE}.filters.http.{name}.v3.{message}"},
    }


def _cluster(upstream: Upstream) -> Json:
    endpoint = {"endpoint": {"address": _socket_address(upstream.host, upstream.port)}}
    options = f"{TYPE}.upstreams.http.v3.HttpProtocolOptions"
    http: Json = (
        {"http_protocol_options": {}}
        if upstream.http1
        else {"http2_protocol_options": {"max_concurrent_streams": 100}}
    )
    cluster: Json = {
        "name": "service_0",
        "connect_timeout": "1s",
        "type": "STRICT_DNS",
        "lb_policy": "ROUND_ROBIN",
        "load_assignment": {"cluster_name": "service_0", "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "explicit_http_config": http,
            }
        },
    }
    if upstream.landbridge:
        cluster["metadata"] = {"filter_metadata": {"landbridge": dict(upstream.landbridge)}}
    if upstream.tls is not None:
        cluster["transport_socket"] = _upstream_tls(upstream.tls)
    return cluster


def _listener_tls(tls: ListenerTls) -> Json:
    common: Json = {"tls_certificates": [_certificate(tls.own)], "alpn_protocols": ["h2", "http/1.1"]}
    context: Json = {
        "@type": f"{TYPE}.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": common,
    }
    if tls.client_ca is not None:
        common["validation_context"] = _trusting(tls.client_ca)
        context["require_client_certificate"] = True
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _upstream_tls(tls: UpstreamTls) -> Json:
    common: Json = {"validation_context": _trusting(tls.server_ca), "alpn_protocols": ["h2"]}
    if tls.own is not None:
        common["tls_certificates"] = [_certificate(tls.own)]
    context: Json = {
        "@type": f"{TYPE}.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": common,
    }
    if tls.server_name is not None:
        context["sni"] = tls.server_name
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _certificate(own: Credentials) -> Json:
    return {
        "certificate_chain": {"inline_string": own.certificate},
        "private_key": {"inline_string": own.key},
    }


def _trusting(ca: str) -> Json:
    return {"trusted_ca": {"inline_string": ca}}


def _socket_address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}
