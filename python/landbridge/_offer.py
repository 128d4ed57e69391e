"""What an application offers to its callers: codecs, compressions, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from landbridge._compressions import OF_GRPC, level_of, own
from landbridge._core import Service
from landbridge._limits import UNLIMITED
from landbridge._message_codecs import codecs_of
from landbridge._settings import CODEC, COMPRESSION, made_of, whole_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from landbridge.codec import Codec
    from landbridge.compression import Compression


class Offer:
    """What is settled once for all methods of an application."""

    __slots__ = ("_codecs", "compressions", "read_max_bytes", "service")

    def __init__(
        self,
        *,
        codecs: Iterable[Codec[Any, Any]] | None,
        compressions: Iterable[Compression] | None,
        read_max_bytes: int | None,
        compress_min_bytes: int,
    ) -> None:
        whole_number("read_max_bytes", read_max_bytes, least=1, optional=True)
        whole_number("compress_min_bytes", compress_min_bytes, least=0)
        given_codecs = None if codecs is None else made_of("codecs", codecs, *CODEC)
        self._codecs = None if given_codecs is None else {codec.name(): codec for codec in given_codecs}
        given = None if compressions is None else made_of("compressions", compressions, *COMPRESSION)
        names = list(OF_GRPC) if given is None else [compression.name() for compression in given]
        levels = {each.name(): level for each in given or () if (level := level_of(each)) is not None}
        self.compressions = own(given or ())
        """Those that the application does itself, by name."""
        self.read_max_bytes = UNLIMITED if read_max_bytes is None else min(read_max_bytes, UNLIMITED)
        """The largest request message."""
        self.service = Service(
            codecs=["proto", "json"] if self._codecs is None else list(self._codecs),
            compressions=names,
            levels=levels,
            read_max_bytes=self.read_max_bytes,
            compress_min_bytes=min(compress_min_bytes, UNLIMITED),
        )
        """The same, as the core has it."""

    def codecs_for(self, message: type[Any]) -> Mapping[str, Codec[Any, Any]]:
        """The codecs of a method whose requests are of this class."""
        if self._codecs is not None:
            return self._codecs
        return {codec.name(): codec for codec in codecs_of(message)}
