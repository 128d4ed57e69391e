"""The command line of `landbridge generate`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from landbridge import _core
from landbridge._generate.compiling import CompileError, compile_protos
from landbridge._generate.options import read

if TYPE_CHECKING:
    from pathlib import Path

    from landbridge._generate.options import Options


def generate(arguments: list[str]) -> int:
    """Generate as the command line says; the exit status."""
    options = read(arguments)
    try:
        for path, content in _modules(options).items():
            _write(options.out / path, content)
    except (CompileError, OSError) as problem:
        print(f"landbridge generate: {problem}", file=sys.stderr)
        return 1
    return 0


def _modules(options: Options) -> dict[str, str]:
    """What is to be written, by path."""
    descriptors, names = compile_protos(options.protos, options.includes)
    request = CodeGeneratorRequest(
        file_to_generate=names,
        parameter=options.parameter,
        proto_file=FileDescriptorSet.FromString(descriptors).file,
    )
    messages = _core.messages if options.protobuf == "google" else _protobuf_py
    modules: dict[str, str] = {}
    for answer in (messages, _core.plugin):
        response = CodeGeneratorResponse.FromString(answer(request.SerializeToString()))
        if response.error:
            raise CompileError(response.error)
        modules.update((file.name, file.content) for file in response.file)
    return modules


def _protobuf_py(request: bytes) -> bytes:
    """Have protobuf-py's own generator make the modules of messages."""
    plain = CodeGeneratorRequest.FromString(request)
    # It has other options.
    plain.parameter = ""
    search = sysconfig.get_path("scripts")
    program = shutil.which("protoc-gen-py", path=search) or shutil.which("protoc-gen-py")
    if program is None:
        raise CompileError("--protobuf py needs protoc-gen-py: pip install protoc-gen-py")
    done = subprocess.run(
        [program],
        input=plain.SerializeToString(),
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise CompileError(f"protoc-gen-py: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8", newline="\n")
