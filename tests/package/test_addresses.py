"""Where workers listen."""

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import httpx
import pytest
from landbridge._hosts import addresses_of, family
from landbridge._serve.addresses import Addresses
from landbridge._serve.channel import ToSupervisor, ToWorker

from tests.package.serve_command import started


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> str:
    """A name with two addresses, which no machine has for certain."""
    known(monkeypatch, "two.test", "127.0.0.1", "127.0.0.2", "127.0.0.1")
    return "two.test"


def known(monkeypatch: pytest.MonkeyPatch, name: str, *addresses: str) -> None:
    """Have the system know a name."""

    def found(host: str | None, port: int, **_: object) -> list[object]:
        assert (host or "") == name
        return [(family(ip), socket.SOCK_STREAM, 6, "", (ip, port)) for ip in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def test_an_address_that_this_machine_does_not_have_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, "half.test", "2001:db8::1", "127.0.0.1")
    assert addresses_of("half.test") == ["127.0.0.1"]


def test_where_none_of_the_addresses_is_here_listening_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, "elsewhere.test", "2001:db8::1")
    with pytest.raises(OSError, match=r"cannot listen on \[2001:db8::1\]:0: this machine has no"):
        Addresses("elsewhere.test", 0)


def test_all_addresses_of_a_machine_are_one_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, "", "0.0.0.0", "::")
    assert addresses_of("") == ["::"]


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".test"])
def test_what_is_no_name_is_named_in_the_error(host: str) -> None:
    with pytest.raises(OSError, match=f"cannot listen on {host}: "):
        addresses_of(host)


def test_all_addresses_of_a_name_are_listened_on_at_one_port(two_addresses: str) -> None:
    with closing(Addresses(two_addresses, 0)) as addresses, ExitStack() as opened:
        # One place after the other, each on all of them.
        for _ in range(2):
            listening = [opened.enter_context(one) for one in addresses.listen()]
            assert [one.getsockname() for one in listening] == [
                ("127.0.0.1", addresses.port),
                ("127.0.0.2", addresses.port),
            ]
        for host in ("127.0.0.1", "127.0.0.2"):
            with socket.socket() as client:
                client.connect((host, addresses.port))


def test_a_port_that_somebody_listens_on_at_one_of_the_addresses_is_refused(two_addresses: str) -> None:
    with socket.create_server(("127.0.0.2", 0), reuse_port=True) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.2:{port}: .* in use"):
            Addresses(two_addresses, port)
        # Nothing of it is left at the other.
        socket.create_server(("127.0.0.1", port)).close()


def test_a_port_is_taken_from_its_claim_on(two_addresses: str) -> None:
    with closing(Addresses(two_addresses, 0)) as addresses:
        # Nobody listens yet.
        with pytest.raises(OSError, match="in use"):
            Addresses(two_addresses, addresses.port)
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.2", addresses.port))


@contextmanager
def few_descriptors(left: int) -> Iterator[None]:
    """This process may open only so many more."""
    with ExitStack() as opened:
        highest = opened.enter_context(socket.socket()).fileno()
        # None is free below it.
        while (fd := opened.enter_context(socket.socket()).fileno()) < highest:
            pass
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (fd + 1 + left, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_worker_gets_all_sockets_of_its_place_or_none(two_addresses: str) -> None:
    async def ask(worker: ToSupervisor, channel: ToWorker, listening: list[socket.socket]) -> None:
        asked = asyncio.ensure_future(worker.listening_sockets())
        channel.give(listening)
        names = []
        for given in await asked:
            with given:
                names.append(given.getsockname())
        assert names == [one.getsockname() for one in listening]
        with few_descriptors(1):
            asked = asyncio.ensure_future(worker.listening_sockets())
            channel.give(listening)
            with pytest.raises(OSError, match="raise the limit"):
                await asked

    with ExitStack() as opened, closing(Addresses(two_addresses, 0)) as addresses:
        listening = [opened.enter_context(one) for one in addresses.listen()]
        channel = opened.enter_context(closing(ToWorker()))
        worker = ToSupervisor(channel.other.detach())
        opened.callback(worker._socket.close)
        asyncio.run(ask(worker, channel, listening))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_ipv6_address_for_all_takes_ipv4_too(workers: str, own_stubs: str) -> None:
    assert own_stubs
    flags = ("--host", "::", "--port", "0", "--workers", workers)
    with started("examples.talk_async:application", *flags) as server:
        _, url = server.serves()
        answer = httpx.post(url.replace("[::]", "127.0.0.1"), json={"sentence": "a"})
        assert answer.json()["sentence"] == "You said: a"
