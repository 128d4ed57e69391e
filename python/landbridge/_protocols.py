"""What the core calls the protocols."""

from __future__ import annotations

from landbridge.protocol import ProtocolType

NAMES = {
    ProtocolType.CONNECT: "connect",
    ProtocolType.GRPC: "grpc",
    ProtocolType.GRPC_WEB: "grpc-web",
}

BY_NAME = {name: protocol for protocol, name in NAMES.items()}
