"""The conformance service as applications, for our own server and for others."""

import os
import sys
from typing import Any

from tests.conformance import official

sys.path.insert(0, str(official.STUBS))

from connectrpc.conformance.v1.service_connect import (
    ConformanceServiceASGIApplication,
    ConformanceServiceWSGIApplication,
)
from landbridge.compression.brotli import BrotliCompression
from landbridge.compression.gzip import GzipCompression
from landbridge.compression.zstd import ZstdCompression

from tests.conformance.service.asynchronous import AsyncConformance
from tests.conformance.service.blocking import BlockingConformance

COMPRESSIONS = (GzipCompression(), BrotliCompression(), ZstdCompression())


def make_asgi(read_max_bytes: int | None) -> Any:
    """Make the asynchronous one."""
    return ConformanceServiceASGIApplication(
        AsyncConformance(), read_max_bytes=read_max_bytes, compressions=COMPRESSIONS, compress_min_bytes=0
    )


def make_wsgi(read_max_bytes: int | None) -> Any:
    """Make the blocking one."""
    return ConformanceServiceWSGIApplication(
        BlockingConformance(), read_max_bytes=read_max_bytes, compressions=COMPRESSIONS, compress_min_bytes=0
    )


_LIMIT = int(os.environ.get("CONFORMANCE_READ_MAX_BYTES", "0")) or None

asgi = make_asgi(_LIMIT)
wsgi = make_wsgi(_LIMIT)
