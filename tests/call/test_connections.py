"""TLS, client certificates, Unix sockets, proxies."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from talk.v1 import talk_pb2_grpc

from demo.server import TalkService
from tests.call.program import TALK, Program, method
from tests.package.certificates import Authority, dns
from tests.running.python_server import running_python_server
from tests.running.relays import Proxy, without_proxies
from tests.running.stubs import DEMO_PROTO, DEMO_PROTOS

HELLO = ("-d", '{"sentence": "hello"}')
ANSWER = [{"sentence": "You said: hello", "letters": "5"}]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and certificates of `server.example` and `client.example` that it has signed."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority()
    (folder / "ca.pem").write_bytes(authority.certificate)
    for name in ("server", "client"):
        identity = authority.identity(dns(f"{name}.example"))
        (folder / f"{name}.pem").write_bytes(identity.certificate)
        (folder / f"{name}-key.pem").write_bytes(identity.key)
    return folder


@pytest.fixture(scope="module")
def tls_server(own_stubs: str, tls: Path) -> Iterator[str]:
    """A Python server under TLS that wants certificates of its callers; yields the address of `Say`."""
    assert own_stubs
    files = {"tls-cert": "server.pem", "tls-key": "server-key.pem", "tls-client-ca": "ca.pem"}
    flags = [word for name, file in files.items() for word in (f"--{name}", str(tls / file))]
    with running_python_server("examples.talk_async:application", 0, *flags) as port:
        yield f"https://127.0.0.1:{port}/{TALK}/Say"


@pytest.fixture
def client(tls: Path) -> Sequence[str | Path]:
    """The flags that show a certificate."""
    return ("--cert", tls / "client.pem", "--key", tls / "client-key.pem")


@pytest.mark.parametrize("http", [(), ("--http2",), ("--http1.1",)], ids=["either", "2", "1.1"])
def test_a_server_is_checked_and_shown_who_calls(
    landbridge: Program,
    tls_server: str,
    tls: Path,
    client: Sequence[str | Path],
    http: Sequence[str],
) -> None:
    checks = ("--cacert", tls / "ca.pem", "--server-name", "server.example")
    assert landbridge.call(tls_server, *HELLO, *client, *checks, *http).documents == ANSWER
    assert landbridge.call(tls_server, *HELLO, *client, "-k", *http).documents == ANSWER


def test_a_server_that_nobody_vouches_for_is_not_called(
    landbridge: Program, tls_server: str, tls: Path, client: Sequence[str | Path]
) -> None:
    for flags in [
        ("--cacert", tls / "ca.pem"),
        ("--cacert", tls / "ca.pem", "--server-name", "other.example"),
        ("--cacert", tls / "client.pem", "--server-name", "server.example"),
    ]:
        done = landbridge.call(tls_server, *HELLO, *client, *flags)
        assert (done.status, done.out) == (78, ""), done
        assert "certificate" in done.err


def test_a_caller_without_a_certificate_is_turned_away(landbridge: Program, tls_server: str) -> None:
    done = landbridge.call(tls_server, *HELLO, "-k")
    assert (done.status, done.out) == (78, "")


def test_a_certificate_that_does_not_load_is_named(landbridge: Program, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("nothing")
    done = landbridge.call(f"https://127.0.0.1:1/{TALK}/Say", "--cacert", bad)
    assert done.status == 2
    assert str(bad) in done.err


@pytest.fixture
def talk_socket(tmp_path: Path) -> Iterator[Path]:
    """A grpc-python server on a Unix socket."""
    path = tmp_path / "talk.sock"
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    talk_pb2_grpc.add_TalkServiceServicer_to_server(TalkService(), server)
    server.add_insecure_port(f"unix:{path}")
    server.start()
    yield path
    server.stop(grace=None).wait()


def test_unix_sockets_are_called(program: Program, talk_socket: Path, talk_descriptors: Path) -> None:
    flags = (*HELLO, "--protocol", "grpc", "--schema", talk_descriptors)
    assert program.call(f"unix:{talk_socket}/{TALK}/Say", *flags).documents == ANSWER
    by_flag = program.call(f"http://talk.local/{TALK}/Say", "--unix-socket", talk_socket, *flags, "-v")
    assert by_flag.documents == ANSWER
    assert by_flag.err.startswith(f"> POST http://talk.local/{TALK}/Say\n")


def test_a_call_may_be_addressed_to_another_host(landbridge: Program, talk_server: int) -> None:
    flags = (*HELLO, "--protocol", "grpc", "--authority", "talk.local:1")
    done = landbridge.call(f"http://127.0.0.1:{talk_server}/{TALK}/Say", *flags, "-v")
    assert done.documents == ANSWER
    assert done.err.startswith(f"> POST http://talk.local:1/{TALK}/Say\n")


@pytest.mark.parametrize("protocol", ["connect", "grpc", "grpc-web"])
def test_calls_go_through_the_proxy_of_the_environment(
    program: Program, python_server: int, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    without_proxies(monkeypatch)
    say = (method(python_server, "Say"), *HELLO, "-p", protocol, "--schema", DEMO_PROTOS / DEMO_PROTO)
    with Proxy() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        assert program.call(*say).documents == ANSWER
        assert proxy.asked == [f"127.0.0.1:{python_server}"]
        for around in ("*", "127.0.0.1", f"127.0.0.1:{python_server}"):
            assert program.call(*say, "--noproxy", around).documents == ANSWER
        monkeypatch.setenv("no_proxy", "127.0.0.0/8")
        assert program.call(*say).documents == ANSWER
        assert len(proxy.asked) == 1
        assert program.call(*say, "--noproxy", "other.example").documents == ANSWER
        assert len(proxy.asked) == 2


def test_reflection_and_tls_go_through_the_proxy_too(
    landbridge: Program,
    talk_server: int,
    tls_server: str,
    client: Sequence[str | Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_proxies(monkeypatch)
    with Proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        listed = landbridge.call(f"http://127.0.0.1:{talk_server}", "--list")
        assert f"{TALK}/Say" in listed.out
        assert proxy.asked == [f"127.0.0.1:{talk_server}"]
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        assert landbridge.call(tls_server, *HELLO, *client, "-k").documents == ANSWER
        assert tls_server.split("/")[2] in proxy.asked


def test_a_proxy_can_be_given(
    landbridge: Program, python_server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_proxies(monkeypatch)
    say = (method(python_server, "Say"), *HELLO, "--no-reflect")
    # `user:pass word` in base64.
    with Proxy("Basic dXNlcjpwYXNzIHdvcmQ=") as proxy:
        # It counts whatever the environment says.
        monkeypatch.setenv("no_proxy", "*")
        given = f"http://user:pass%20word@127.0.0.1:{proxy.port}"
        assert landbridge.call(*say, "-x", given).documents == ANSWER
        refused = landbridge.call(*say, "--proxy", f"127.0.0.1:{proxy.port}")
        assert refused.status == 78
        assert "407" in refused.err
        assert len(proxy.asked) == 2
    wrong = landbridge.call(*say, "-x", "socks5://user:secret@127.0.0.1:1")
    assert wrong.status == 2
    assert "is no proxy" in wrong.err
    assert "secret" not in wrong.err
