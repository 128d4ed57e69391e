"""Which HTTP proxy stands in front of a server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

Proxy = tuple[str, int, str | None]
"""Host, port, and the value of `proxy-authorization`."""


def proxy_for(address: str, given: str | None, *, trust_env: bool) -> Proxy | None:
    """The proxy for calls to an address: the one that was given, else the environment's.

    Raises `ValueError` for one that is no `http://host:port`.
    """
    if given is not None:
        return _read(given)
    if not trust_env or not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    scheme = urlsplit(address).scheme
    if scheme not in {"http", "https"}:
        return None
    from urllib import request  # noqa: PLC0415

    found = request.getproxies_environment()
    proxy = found.get(scheme) or found.get("all")
    host = urlsplit(address).netloc
    # Typeshed does not know it, and there is no other word on how `no_proxy` is read.
    bypasses: Callable[[str, dict[str, str]], int] = request.proxy_bypass_environment  # type: ignore[attr-defined]
    if not proxy or bypasses(host, found):
        return None
    return _read(proxy)


def _read(url: str) -> Proxy:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{url!r} is no proxy that calls can go through: give http://host:port")
    authorization = None
    if parts.username is not None:
        from base64 import b64encode  # noqa: PLC0415

        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {b64encode(credentials.encode()).decode()}"
    return parts.hostname, parts.port or 80, authorization
