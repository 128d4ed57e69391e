"""Where workers listen."""

import asyncio
import socket
from contextlib import ExitStack, closing

import httpx
import pytest
from landbridge._serve.addresses import Addresses
from landbridge._serve.channel import ToSupervisor, ToWorker

from tests.package.serve_command import started


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> str:
    """A name with two addresses, which no machine has for certain."""

    def found(host: str, port: int, **_: object) -> list[object]:
        assert host == "two.test"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{last}", port)) for last in (1, 2, 1)]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    return "two.test"


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
        with pytest.raises(OSError, match="in use"):
            Addresses(two_addresses, taken.getsockname()[1])
        # Nothing of it is left at the other.
        socket.create_server(("127.0.0.1", taken.getsockname()[1])).close()


def test_a_worker_gets_all_sockets_of_its_place(two_addresses: str) -> None:
    async def ask(worker: ToSupervisor, channel: ToWorker, listening: list[socket.socket]) -> None:
        asked = asyncio.ensure_future(worker.listening_sockets())
        channel.give(listening)
        names = []
        for given in await asked:
            with given:
                names.append(given.getsockname())
        assert names == [one.getsockname() for one in listening]

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
        for host in ("127.0.0.1", "[::1]"):
            answer = httpx.post(url.replace("[::]", host), json={"sentence": "a"})
            assert answer.json()["sentence"] == "You said: a"
