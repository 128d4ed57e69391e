"""The schemas of services that landbridge brings: `.proto` files, compiled when they are first needed.

Their descriptors are in a pool of their own. Whoever imports other modules made of the same files, such as
grpcio's `health_pb2`, before or after, does not meet them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from landbridge import _core

_FILES = (
    "grpc/health/v1/health.proto",
    "grpc/reflection/v1/reflection.proto",
    "grpc/reflection/v1alpha/reflection.proto",
)


@cache
def pool() -> DescriptorPool:
    """The descriptors of all of them."""
    descriptors, _ = _core.compile_protos(_FILES, [Path(__file__).parent])
    own = DescriptorPool()
    for file in FileDescriptorSet.FromString(descriptors).file:
        file.ClearField("source_code_info")
        own.AddSerializedFile(file.SerializeToString())
    return own


@cache
def message(name: str) -> Any:
    """The class of a message, by its full name."""
    return GetMessageClass(pool().FindMessageTypeByName(name))
