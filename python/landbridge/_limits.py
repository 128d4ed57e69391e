"""How large messages are, where nothing else was said; for servers and clients alike."""

from __future__ import annotations

DEFAULT_READ_MAX_BYTES = 4 << 20
"""The largest message that is read by default, in bytes: 4 MiB, as gRPC has it."""

DEFAULT_COMPRESS_MIN_BYTES = 1024
"""Messages below this many bytes are not compressed by default."""

UNLIMITED = (1 << 32) - 1
"""As many bytes as an envelope can say that a message has; no larger limit says more."""
