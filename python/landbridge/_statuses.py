"""What is known of the health of services. Any thread may ask and tell."""

from __future__ import annotations

import threading
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class ServingStatus(IntEnum):
    """How a service is."""

    UNKNOWN = 0
    """Nothing is known."""

    SERVING = 1
    """It takes calls."""

    NOT_SERVING = 2
    """It should be sent no calls."""

    SERVICE_UNKNOWN = 3
    """There is no such service; only `Watch` says this."""


class Statuses:
    """The status of each service, and who wants to know when one changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # The server as a whole.
        self._told: dict[str, ServingStatus] = {"": ServingStatus.SERVING}
        self._watchers: set[Callable[[], object]] = set()
        self.draining = False
        """Whether the server is about to leave: no service is serving then."""

    def set(self, service: str, status: ServingStatus) -> None:
        """Say how a service is."""
        status = ServingStatus(status)
        with self._lock:
            self._told[service] = status
        self._tell()

    def add(self, services: Iterable[str]) -> None:
        """Say that services are there, which serve unless something else was said of them."""
        with self._lock:
            for service in services:
                self._told.setdefault(service, ServingStatus.SERVING)
        self._tell()

    def resume(self) -> None:
        """Say that a server is there again."""
        self.draining = False
        self._tell()

    def drain(self) -> None:
        """Say that no service is serving from now on."""
        self.draining = True
        self._tell()

    def of(self, service: str) -> ServingStatus | None:
        """How a service is; none that is not known."""
        with self._lock:
            status = self._told.get(service)
        return ServingStatus.NOT_SERVING if self.draining and status is not None else status

    def all(self) -> dict[str, ServingStatus]:
        """How all services are."""
        with self._lock:
            known = dict(self._told)
        return dict.fromkeys(known, ServingStatus.NOT_SERVING) if self.draining else known

    def watch(self, changed: Callable[[], object]) -> None:
        """Have `changed` called, on any thread, when anything may be different."""
        with self._lock:
            self._watchers.add(changed)

    def unwatch(self, changed: Callable[[], object]) -> None:
        """Have it called no more."""
        with self._lock:
            self._watchers.discard(changed)

    def _tell(self) -> None:
        with self._lock:
            watchers = list(self._watchers)
        for changed in watchers:
            changed()
