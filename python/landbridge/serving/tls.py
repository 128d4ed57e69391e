"""The server's side of TLS."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from landbridge._settings import described, pem

__all__ = ["TlsConfig"]


@dataclass(kw_only=True, frozen=True, slots=True)
class TlsConfig:
    """Certificates, each as PEM or as the path of a PEM file. TLS 1.2 and 1.3 are spoken."""

    certificate: bytes | str | Path
    """The server's certificate, with those between it and a root."""

    private_key: bytes | str | Path
    """Its private key."""

    client_ca: bytes | str | Path | None = None
    """The authority that clients' certificates lead to, or such a certificate itself; without it clients are
    not asked for one."""

    client_certificate_required: bool = True
    """Whether a client without a certificate is refused, where there is a `client_ca`."""

    def __post_init__(self) -> None:
        """Raise `TypeError` where something is neither text in PEM nor a path."""
        for name in ("certificate", "private_key", "client_ca"):
            given = getattr(self, name)
            if not isinstance(given, (bytes, str, os.PathLike)) and not (
                given is None and name == "client_ca"
            ):
                raise TypeError(f"{name} is {described(given)}: it must be PEM, or the path of a file")

    def _for_core(self) -> dict[str, object]:
        return {
            "certificate_chain": pem(self.certificate),
            "private_key": pem(self.private_key),
            "client_ca": None if self.client_ca is None else pem(self.client_ca),
            "client_certificate_required": self.client_certificate_required,
        }
