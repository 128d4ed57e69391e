"""TLS in front of the bridge: whose certificates are taken."""

import grpc
import pytest
from talk.v1 import talk_pb2, talk_pb2_grpc

from tests.package.certificates import Authority, Identity, dns
from tests.running.bridge import Bridge, running_bridge
from tests.running.envoy_file import Credentials, ListenerTls, Upstream, envoy_file


def test_a_caller_is_known_by_its_own_certificate(talk_server: int) -> None:
    authority, own, strange = Authority(), Authority().own, Authority().own
    server = authority.identity(dns("localhost"))
    credentials = Credentials(server.certificate.decode(), server.key.decode())
    tls = ListenerTls(credentials, client_ca=own.certificate.decode())
    with running_bridge(envoy_file(Upstream(talk_server), tls=tls)) as bridge:
        assert _say(bridge, authority, own) == "You said: hello"
        with pytest.raises(grpc.RpcError) as failed:
            _say(bridge, authority, strange)
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE


def _say(bridge: Bridge, authority: Authority, caller: Identity) -> str:
    credentials = grpc.ssl_channel_credentials(authority.certificate, caller.key, caller.certificate)
    with grpc.secure_channel(f"localhost:{bridge.port}", credentials) as channel:
        request = talk_pb2.SayRequest(sentence="hello")
        answer: talk_pb2.SayResponse = talk_pb2_grpc.TalkServiceStub(channel).Say(request, timeout=20)
    return answer.sentence
