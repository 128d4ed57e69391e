"""The loads the bridge is measured under."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from .load import Call, Http, Load

SMALL = b"hello world"
MIB = 1 << 20

UNARY = "/bench.Echo/Echo"
CONNECT = {"content-type": "application/proto", "connect-protocol-version": "1"}
GRPC = {"content-type": "application/grpc", "te": "trailers"}
GRPC_WEB = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}


def enveloped(message: bytes) -> bytes:
    """A message as gRPC frames it: no flags, the length, the bytes."""
    return struct.pack(">BI", 0, len(message)) + message


def grpc_web_message(body: bytes) -> bytes:
    """The one message of a gRPC-Web body; empty unless trailers with status 0 follow it."""
    length = struct.unpack_from(">I", body, 1)[0]
    message, trailers = body[5 : 5 + length], body[5 + length :]
    succeeded = re.search(rb"\A\x80.{4}(?:.*\r\n)*?grpc-status: ?0\r\n", trailers, re.DOTALL)
    return message if succeeded else b""


@dataclass(frozen=True)
class Throughput:
    """Calls per second and what one costs; `judged` ones have a target to reach."""

    name: str
    load: Load
    judged: bool


@dataclass(frozen=True)
class IdleMemory:
    """Memory with many open gRPC streams on which nothing happens."""

    name: str
    streams: int
    connections: int


# 32 calls under way over HTTP/1.1 and 64 over HTTP/2 keep one worker busy without queues of calls behind it.
# Few large messages are under way at once, since their bytes, not their number, are the load.
_H1 = {"connections": 32, "streams": 1}
_H2 = {"connections": 4, "streams": 16}
_LARGE = {"connections": 4, "streams": 1}

# Envoy's Connect filter holds a unary call whole and refuses more than 1 MiB with the prefix.
_LARGE_CONNECT = bytes(MIB - 5)
_LARGE_GRPC = enveloped(bytes(MIB))

THROUGHPUT = (
    Throughput("Connect HTTP/1.1 -> gRPC", Load(Call(Http.ONE, UNARY, CONNECT, SMALL, SMALL), **_H1), True),
    Throughput("Connect h2 -> gRPC", Load(Call(Http.TWO, UNARY, CONNECT, SMALL, SMALL), **_H2), True),
    Throughput(
        "gRPC through",
        Load(Call(Http.TWO, UNARY, GRPC, enveloped(SMALL), enveloped(SMALL)), **_H2),
        True,
    ),
    Throughput(
        "gRPC-Web HTTP/1.1 -> gRPC",
        Load(Call(Http.ONE, UNARY, GRPC_WEB, enveloped(SMALL), SMALL, grpc_web_message), **_H1),
        True,
    ),
    Throughput(
        "1 MiB - 5 B, Connect HTTP/1.1 -> gRPC",
        Load(Call(Http.ONE, UNARY, CONNECT, _LARGE_CONNECT, _LARGE_CONNECT), **_LARGE),
        False,
    ),
    Throughput(
        "1 MiB, gRPC through", Load(Call(Http.TWO, UNARY, GRPC, _LARGE_GRPC, _LARGE_GRPC), **_LARGE), False
    ),
)

# No more streams on a connection than clients open by themselves.
IDLE = IdleMemory("1,000 idle gRPC streams", streams=1000, connections=10)
