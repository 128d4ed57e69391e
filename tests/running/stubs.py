"""Python modules and descriptor sets, generated from `.proto` files into `target/`."""

import sys
from collections.abc import Sequence
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

from tests.running.paths import OWN_STUBS, ROOT, STUBS

DEMO_PROTOS = ROOT / "demo" / "proto"
DEMO_PROTO = "talk/v1/talk.proto"

WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"
"""The `google/protobuf` files that come with protoc."""


def compile_protos(source: Path, files: Sequence[str], outputs: Sequence[str]) -> None:
    """Run protoc over `files` in `source`."""
    status = protoc.main(["protoc", f"-I{source}", f"-I{WELL_KNOWN}", *outputs, *files])
    if status != 0:
        raise RuntimeError(f"protoc failed with status {status} on {', '.join(files)}")


def generate_demo_stubs() -> None:
    """Generate what the demo's server and clients import: messages, gRPC stubs, Connect stubs."""
    STUBS.mkdir(parents=True, exist_ok=True)
    connect = Path(sys.executable).parent / "protoc-gen-connectrpc"
    compile_protos(
        DEMO_PROTOS,
        [DEMO_PROTO],
        [
            f"--python_out={STUBS}",
            f"--pyi_out={STUBS}",
            f"--grpc_python_out={STUBS}",
            f"--plugin=protoc-gen-connectrpc={connect}",
            f"--connectrpc_out={STUBS}",
            # The same messages for grpcio and for Connect-Python.
            "--connectrpc_opt=protobuf=google",
        ],
    )


def generate_own_stubs(plugin: Path) -> None:
    """Generate what the examples import: messages, stubs by our own plugin, and gRPC's to compare with."""
    OWN_STUBS.mkdir(parents=True, exist_ok=True)
    compile_protos(
        DEMO_PROTOS,
        [DEMO_PROTO],
        [
            f"--python_out={OWN_STUBS}",
            f"--pyi_out={OWN_STUBS}",
            f"--grpc_python_out={OWN_STUBS}",
            f"--plugin=protoc-gen-connect-python={plugin}",
            f"--connect-python_out={OWN_STUBS}",
        ],
    )


def write_descriptor_set(source: Path, files: Sequence[str], into: Path) -> None:
    """Write one FileDescriptorSet of `files` and of all that they import."""
    compile_protos(source, files, ["--include_imports", f"--descriptor_set_out={into}"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["own"]:
        generate_own_stubs(Path(sys.argv[2]))
    else:
        generate_demo_stubs()
