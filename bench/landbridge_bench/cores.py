"""Which cores the proxy and its surroundings run on."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Cores:
    """One core for the proxy alone; the load and the upstream share the others."""

    proxy: frozenset[int]
    others: frozenset[int]

    @classmethod
    def of_this_machine(cls) -> Cores:
        """The first core we may use goes to the proxy; with a single core everybody shares it."""
        first, *rest = sorted(os.sched_getaffinity(0))
        return cls(frozenset({first}), frozenset(rest or {first}))
