"""Hosts and their addresses: where a server listens that is told one, and how they are written."""

from __future__ import annotations

import errno
import socket

_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def addresses_of(host: str) -> list[str]:
    """The addresses of the host that this machine has.

    Where it has none of them these are all, so that whoever listens is told why it cannot. Raises
    `OSError` for what is no name, or none that is known.
    """
    try:
        found = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError as problem:
        raise OSError(f"cannot listen on {host}: it is no name of a host") from problem
    except socket.gaierror as problem:
        raise OSError(f"cannot listen on {host}: {problem.strerror}") from problem
    addresses = list(dict.fromkeys(str(at[0]) for _, _, _, _, at in found))
    # A hosts file may name `::1` where IPv6 is off.
    here = [ip for ip in addresses if _is_here(ip)] or addresses
    # The one takes what comes for the other, too.
    return [ip for ip in here if ip != "0.0.0.0" or "::" not in here]


def family(ip: str) -> socket.AddressFamily:
    """Of an address."""
    return socket.AF_INET6 if ":" in ip else socket.AF_INET


def in_place(ip: str) -> str:
    """An address as it stands before a port."""
    return f"[{ip}]" if ":" in ip else ip


def place(ip: str, port: int | str | None) -> str:
    """An address and its port; a Unix socket has none."""
    return ip if port is None or port == "" else f"{in_place(ip)}:{port}"


def _is_here(ip: str) -> bool:
    try:
        with socket.socket(family(ip)) as probe:
            probe.bind((ip, 0))
    except OSError as problem:
        return problem.errno not in _NOT_HERE
    return True
