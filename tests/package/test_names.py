"""What is generated has the names and the shapes of Connect-Python's plugin, the real one."""

import ast
from pathlib import Path

import pytest

from tests.package.generating import BIN, HARD, PROTOS, SHAPES, generated, modules_in
from tests.running.stubs import DEMO_PROTO, DEMO_PROTOS, compile_protos

OURS_ALONE = {"compress_min_bytes", "show_exceptions"}
"""Settings of applications that Connect-Python does not have."""


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stubs of Connect-Python."""
    out = tmp_path_factory.mktemp("theirs")
    outputs = [
        f"--plugin=protoc-gen-connectrpc={BIN / 'protoc-gen-connectrpc'}",
        f"--connectrpc_out={out}",
        "--connectrpc_opt=protobuf=google",
    ]
    compile_protos(DEMO_PROTOS, [DEMO_PROTO], outputs)
    compile_protos(PROTOS, (*SHAPES, *HARD), outputs)
    return out


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of landbridge."""
    out = generated(tmp_path_factory.mktemp("ours"), *SHAPES, *HARD)
    return generated(out, DEMO_PROTO, "-I", DEMO_PROTOS)


def test_stubs_are_in_the_same_files(theirs: Path, ours: Path) -> None:
    assert list(modules_in(ours, "_connect.py")) == list(modules_in(theirs, "_connect.py"))


def classes(file: Path) -> dict[str, ast.ClassDef]:
    """The public classes of a module."""
    found = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef)]
    return {node.name: node for node in found if not node.name.startswith("_")}


Signature = tuple[str, list[str], list[str]]


def signatures(node: ast.ClassDef) -> dict[str, Signature]:
    """For each method: how it is defined, what it takes by position, what by name; of overloads the last."""
    found: dict[str, Signature] = {}
    for function in node.body:
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            takes = function.args
            by_name = [argument.arg for argument in takes.kwonlyargs if argument.arg not in OURS_ALONE]
            by_position = [argument.arg for argument in (*takes.posonlyargs, *takes.args)]
            found[function.name] = (type(function).__name__, by_position, by_name)
    return found


@pytest.mark.parametrize("module", ["talk/v1/talk", "shapes/kinds", "unpackaged"])
def test_classes_and_methods_are_the_same(module: str, theirs: Path, ours: Path) -> None:
    of_theirs, of_ours = (classes(folder / f"{module}_connect.py") for folder in (theirs, ours))
    assert list(of_ours) == list(of_theirs)
    for name, expected in of_theirs.items():
        wanted, made = signatures(expected), signatures(of_ours[name])
        if name.endswith(("Client", "ClientSync")):
            # That of a client is in its base.
            del wanted["__init__"]
            for method, (kind, by_position, by_name) in wanted.items():
                # What is awaited may be a function that gives a coroutine.
                assert made[method][1:] == (by_position, by_name)
                assert made[method][0] in {kind, "FunctionDef"}
        else:
            assert made == wanted
