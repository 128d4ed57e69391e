"""`.proto` files, compiled.

The core compiles proto2 and proto3 by itself. Editions need protoc: one that is installed, also as a package
of Python (`grpcio-tools`, or the extra `landbridge[editions]`).
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from landbridge import _core

if TYPE_CHECKING:
    from collections.abc import Sequence


class CompileError(Exception):
    """What is wrong with the files, with file, line and column where they are known."""


def compile_protos(protos: Sequence[Path], includes: Sequence[Path]) -> tuple[bytes, list[str]]:
    """The serialized `FileDescriptorSet` of files and their imports, and the names of the files in it."""
    files = [_in_its_folder(file, includes) for file in _files(protos)]
    try:
        return _core.compile_protos(files, includes)
    except _core.EditionError as edition:
        return _by_protoc(files, includes, edition)
    except ValueError as problem:
        raise CompileError(_explained(str(problem), files, includes)) from None


def _explained(problem: str, files: Sequence[Path], includes: Sequence[Path]) -> str:
    """What the compiler says, and what to do where a file was not found."""
    if "is not in any include path" in problem:
        for file in files:
            if not any(place.exists() for place in (file, *(include / file for include in includes))):
                return f"{file}: there is no such file, neither here nor in the folders of -I"
    elif not re.search(r": import '.*' not found$", problem):
        return problem
    return f"{problem}: name with -I the folder that imports are relative to"


def _files(protos: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for proto in protos:
        if proto.is_dir():
            found = sorted(proto.rglob("*.proto"))
            if not found:
                raise CompileError(f"{proto}: there is no .proto file in this folder")
            files += found
        else:
            # One that is not there is looked for in the folders.
            files.append(proto)
    return files


def _in_its_folder(file: Path, includes: Sequence[Path]) -> Path:
    """A file, said as the folder that it is in is: compilers compare the texts."""
    if file.exists():
        # Not resolved: where a link leads to does not matter.
        full = Path(os.path.abspath(file))  # noqa: PTH100
        for include in includes:
            root = Path(os.path.abspath(include))  # noqa: PTH100
            if full.is_relative_to(root):
                return include / full.relative_to(root)
    # One that is in no folder by this name is looked for in each.
    return file


def _by_protoc(
    files: Sequence[Path], includes: Sequence[Path], edition: _core.EditionError
) -> tuple[bytes, list[str]]:
    protoc = _protoc()
    if protoc is None:
        raise CompileError(
            f"{edition}, which needs protoc, and there is none: pip install 'landbridge[editions]'"
        )
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "descriptors")
        command = [*protoc, "--include_imports", "--include_source_info", f"--descriptor_set_out={made}"]
        done = subprocess.run(
            [*command, *(f"-I{include}" for include in includes), *map(str, files)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise CompileError(done.stderr.strip() or f"protoc failed with status {done.returncode}")
        return made.read_bytes(), [_name_in(file, includes) for file in files]


def _protoc() -> list[str] | None:
    """The command of a protoc that is installed."""
    beside = shutil.which("protoc", path=sysconfig.get_path("scripts"))
    if beside is not None:
        return [beside]
    if importlib.util.find_spec("grpc_tools") is not None:
        return [sys.executable, "-m", "grpc_tools.protoc"]
    anywhere = shutil.which("protoc")
    return None if anywhere is None else [anywhere]


def _name_in(file: Path, includes: Sequence[Path]) -> str:
    """The name of a file that protoc has found, as its descriptor has it."""
    for include in includes:
        if file.is_relative_to(include):
            return file.relative_to(include).as_posix()
    return file.as_posix()
