"""The stubs of every library that is compared."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

from . import programs
from .error import BenchError

STUBS = programs.REPOSITORY / "target" / "bench" / "stubs"


def make_stubs() -> None:
    """Messages and grpc stubs once, and the kinds of Connect stubs, which have the same names, apart."""
    if not programs.HTTPX_PYTHON.exists():
        raise BenchError("Connect-Python on httpx is missing; get it with: make target/make/bench-httpx")
    protos = Path(__file__).parent / "proto"
    scripts = Path(sys.executable).parent
    common = STUBS / "common"
    outputs: dict[str, Callable[[Path], list[str]]] = {
        "common": lambda to: [f"--python_out={to}"],
        "grpc": lambda to: [
            f"--grpc_python_out={to}",
            f"--plugin=protoc-gen-grpclib_python={scripts / 'protoc-gen-grpclib_python'}",
            f"--grpclib_python_out={to}",
        ],
        "connectrpc": lambda to: [
            f"--plugin=protoc-gen-connectrpc={scripts / 'protoc-gen-connectrpc'}",
            f"--connectrpc_out={to}",
            "--connectrpc_opt=protobuf=google",
        ],
        "connectrpc_httpx": lambda to: [
            f"--plugin=protoc-gen-httpx={programs.HTTPX_PYTHON.with_name('protoc-gen-connect-python')}",
            f"--httpx_out={to}",
        ],
        "landbridge": lambda to: [
            f"--plugin=protoc-gen-connect-python={scripts / 'protoc-gen-connect-python'}",
            f"--connect-python_out={to}",
        ],
    }
    for name, arguments in outputs.items():
        folder = STUBS / name
        folder.mkdir(parents=True, exist_ok=True)
        well_known = Path(grpc_tools.__file__).parent / "_proto"
        command = ["protoc", f"-I{protos}", f"-I{well_known}", *arguments(folder), "benchecho/echo.proto"]
        if protoc.main(command) != 0:
            raise BenchError(f"the stubs for {name} could not be made")
    # The real Connect-Python imports the messages from beside its stubs.
    subprocess.run(
        ["cp", str(common / "benchecho" / "echo_pb2.py"), str(STUBS / "connectrpc" / "benchecho")], check=True
    )
