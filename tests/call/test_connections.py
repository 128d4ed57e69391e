"""TLS, client certificates, Unix sockets."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from talk.v1 import talk_pb2_grpc

from demo.server import TalkService
from tests.call.program import TALK, Program
from tests.running.python_server import running_python_server

TLS = Path(__file__).parent / "tls"
"""An authority, and certificates of `server.example` and `client.example` that it has signed."""

HELLO = ("-d", '{"sentence": "hello"}')
ANSWER = [{"sentence": "You said: hello", "letters": "5"}]


@pytest.fixture(scope="module")
def tls_server(own_stubs: str) -> Iterator[str]:
    """A Python server under TLS that wants certificates of its callers; yields the address of `Say`."""
    assert own_stubs
    files = {"tls-cert": "server.pem", "tls-key": "server-key.pem", "tls-client-ca": "ca.pem"}
    flags = [word for name, file in files.items() for word in (f"--{name}", str(TLS / file))]
    with running_python_server("examples.talk_async:application", 0, *flags) as port:
        yield f"https://127.0.0.1:{port}/{TALK}/Say"


CLIENT = ("--cert", TLS / "client.pem", "--key", TLS / "client-key.pem")


@pytest.mark.parametrize("http", [(), ("--http2",), ("--http1.1",)], ids=["either", "2", "1.1"])
def test_a_server_is_checked_and_shown_who_calls(
    landbridge: Program, tls_server: str, http: tuple[str, ...]
) -> None:
    checks = ("--cacert", TLS / "ca.pem", "--server-name", "server.example")
    assert landbridge.call(tls_server, *HELLO, *CLIENT, *checks, *http).documents == ANSWER
    assert landbridge.call(tls_server, *HELLO, *CLIENT, "-k", *http).documents == ANSWER


def test_a_server_that_nobody_vouches_for_is_not_called(landbridge: Program, tls_server: str) -> None:
    for flags, said in [
        (("--cacert", TLS / "ca.pem"), "certificate"),
        (("--cacert", TLS / "ca.pem", "--server-name", "other.example"), "other.example"),
        (("--cacert", TLS / "client.pem", "--server-name", "server.example"), "certificate"),
    ]:
        done = landbridge.call(tls_server, *HELLO, *CLIENT, *flags)
        assert (done.status, done.out) == (78, ""), done
        assert said in done.err


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


def test_a_call_may_be_addressed_to_another_host(
    landbridge: Program, talk_server: int, talk_descriptors: Path
) -> None:
    flags = (*HELLO, "--protocol", "grpc", "--authority", "talk.local:1")
    done = landbridge.call(f"http://127.0.0.1:{talk_server}/{TALK}/Say", *flags, "-v")
    assert done.documents == ANSWER
    assert done.err.startswith(f"> POST http://talk.local:1/{TALK}/Say\n")
