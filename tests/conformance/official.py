"""The official conformance module: its programs, its messages, its protos.

All of it comes from one version of one Go module, built and read at test time; nothing is copied from it.
"""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tests.running.paths import TARGET
from tests.running.stubs import compile_protos, write_descriptor_set

VERSION = "v1.0.5"
MODULE = "connectrpc.com/conformance"
PROGRAMS = ("connectconformance", "referenceserver", "referenceclient")

_HOME = TARGET / "conformance" / VERSION
_GO_PATH = TARGET / "go"
_MODULE_FILES = _GO_PATH / "pkg" / "mod" / f"{MODULE}@{VERSION}"
_PROTOS = _MODULE_FILES / "proto"

DESCRIPTOR_SET = _HOME / "conformance.binpb"
"""Descriptors of the conformance service, and of all that its tests put into an `Any`."""

STUBS = _HOME / "stubs"
"""Python modules of the conformance service, for applications that serve it."""

_IN_ANY = ("google/protobuf/descriptor.proto",)


def program(name: str) -> Path:
    """Return the path of one of the module's programs."""
    return _HOME / "bin" / name


def prepare() -> None:
    """Build the programs and the descriptor set, where they are not built yet."""
    if not all(program(name).exists() for name in PROGRAMS):
        _build_programs()
    if not DESCRIPTOR_SET.exists():
        protos = sorted(str(file.relative_to(_PROTOS)) for file in _PROTOS.rglob("*.proto"))
        unfinished = DESCRIPTOR_SET.with_suffix(".unfinished")
        write_descriptor_set(_PROTOS, [*protos, *_IN_ANY], unfinished)
        unfinished.replace(DESCRIPTOR_SET)


def prepare_stubs() -> None:
    """Generate the stubs: messages by protoc, the service by our own plugin."""
    protos = sorted(str(file.relative_to(_PROTOS)) for file in _PROTOS.rglob("*.proto"))
    STUBS.mkdir(parents=True, exist_ok=True)
    plugin = Path(sys.executable).parent / "protoc-gen-connect-python"
    outputs = [
        f"--python_out={STUBS}",
        f"--pyi_out={STUBS}",
        f"--plugin=protoc-gen-connect-python={plugin}",
        f"--connect-python_out={STUBS}",
    ]
    compile_protos(_PROTOS, protos, outputs)
    # A package of its own: the real Connect-Python, which is installed here too, has the same name.
    (STUBS / "connectrpc" / "__init__.py").touch()


def _build_programs() -> None:
    go = shutil.which(
        "go", path=os.pathsep.join((os.environ.get("PATH", ""), str(Path(sys.executable).parent)))
    )
    if go is None:
        raise FileNotFoundError("no `go` was found: run this through `make`, which brings one")
    print(f"building the conformance programs {VERSION} (once)", flush=True)
    settings = {
        "GOPATH": str(_GO_PATH),
        "GOCACHE": str(TARGET / "go" / "cache"),
        "GOBIN": str(_HOME / "bin"),
        # Module files that can be removed again with the rest of target/.
        "GOFLAGS": "-modcacherw -buildvcs=false",
        "GOTOOLCHAIN": "local",
    }
    packages = [f"{MODULE}/cmd/{name}@{VERSION}" for name in PROGRAMS]
    subprocess.run([go, "install", *packages], check=True, env={**os.environ, **settings})


def message(name: str) -> Any:
    """Return a new, empty `connectrpc.conformance.v1` message."""
    return message_factory.GetMessageClass(
        _pool().FindMessageTypeByName(f"connectrpc.conformance.v1.{name}")
    )()


def enum_number(enum: str, value: str) -> int:
    """Return the number of a value of a `connectrpc.conformance.v1` enum."""
    number: int = _pool().FindEnumTypeByName(f"connectrpc.conformance.v1.{enum}").values_by_name[value].number
    return number


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTOR_SET.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool
