"""Calls from pages of other origins."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from landbridge._settings import described, seconds

__all__ = ["Cors"]

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
"""As browsers write them: in lower case, and without letters that a host cannot have."""

_OWN_PORTS = {"http": ":80", "https": ":443"}


@dataclass(kw_only=True, frozen=True, slots=True)
class Cors:
    """Which pages of other origins may call from browsers (CORS, as the Fetch standard has it).

    The server answers preflight requests, and lets pages read all headers of a response, those that the
    protocols have put trailers into among them. A page of an origin that is not named is told nothing, and
    its browser keeps the answer from it; who calls from elsewhere than a browser is not concerned.
    """

    allow_origins: Collection[str] | Literal["*"]
    """Origins, such as `https://app.example`: scheme, host, and a port that is not the scheme's own. `"*"`
    stands for every origin."""

    allow_headers: Collection[str] | Literal["*"] = ()
    """Request headers that pages may send, beside those that the protocols need and `authorization`. `"*"`
    stands for any."""

    allow_credentials: bool = False
    """Whether requests may carry cookies and client certificates. Origins have to be named then."""

    max_age: float | None = 7200.0
    """How many seconds a browser may remember the answer to a preflight request; `None` leaves that to it."""

    def __post_init__(self) -> None:
        """Raise `TypeError` or `ValueError` for what makes no sense."""
        for origin in _listed("allow_origins", self.allow_origins):
            if not _ORIGIN.fullmatch(origin) or origin.endswith(
                _OWN_PORTS.get(origin.partition(":")[0], "/")
            ):
                raise ValueError(
                    f"allow_origins has {described(origin)}, which is no origin: give scheme, host and a "
                    "port that is not the scheme's own, such as https://app.example"
                )
        for name in _listed("allow_headers", self.allow_headers):
            if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                raise ValueError(f"allow_headers has {described(name)}, which is no name of a header")
        if self.allow_credentials and self.allow_origins == "*":
            raise ValueError(
                "allow_credentials would let every page act for its users: name the allow_origins"
            )
        seconds("max_age", self.max_age, optional=True, may_be_zero=True)

    def _for_core(self) -> dict[str, object]:
        return {
            "origins": None if self.allow_origins == "*" else list(self.allow_origins),
            "headers": None if self.allow_headers == "*" else list(self.allow_headers),
            "max_age": self.max_age,
            "credentials": self.allow_credentials,
        }


def _listed(name: str, given: object) -> Collection[str]:
    if given == "*":
        return ()
    if isinstance(given, str) or not isinstance(given, Collection):
        raise TypeError(f'{name} is {described(given)}: it must be a list, or "*"')
    for each in given:
        if not isinstance(each, str):
            raise TypeError(f"{name} has {described(each)}: it must have text")
    return given
