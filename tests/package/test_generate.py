"""`landbridge generate`: messages, types, services and clients of `.proto` files, without protoc or buf."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.package.generating import (
    BIN,
    EDITIONS,
    HARD,
    PROTOS,
    SHAPES,
    bare_python,
    checked,
    generate,
    generated,
    lines_that_mypy_refuses,
    modules_in,
    mypy,
)
from tests.running.paths import ROOT
from tests.running.stubs import compile_protos

EVERYTHING = (*HARD, *SHAPES)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules of all files but those of editions."""
    return generated(tmp_path_factory.mktemp("generated") / "everything", *EVERYTHING)


@pytest.fixture(scope="module")
def editions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules of files of editions, and of those that they import."""
    return generated(tmp_path_factory.mktemp("generated") / "editions", *EDITIONS, *SHAPES)


RUN = """
import importlib, json, sys
modules = [importlib.import_module(name) for name in json.loads(sys.argv[1])]
print(json.dumps([module.DESCRIPTOR.serialized_pb.hex() for module in modules]))
"""


def descriptors(folder: Path, *modules: str) -> list[bytes]:
    """The serialized descriptors that modules have, in a Python of their own."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", RUN, json.dumps(modules)],
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [bytes.fromhex(text) for text in json.loads(done.stdout)]


def test_the_descriptors_are_those_of_protoc(everything: Path, tmp_path: Path) -> None:
    compile_protos(PROTOS, EVERYTHING, [f"--python_out={tmp_path}"])
    modules = ("hard_names.x.y_z_pb2", "unpackaged_pb2", "shapes.kinds_pb2", "shapes.legacy_pb2")
    assert descriptors(everything, *modules) == descriptors(tmp_path, *modules)


def test_editions_are_compiled_by_a_protoc_that_is_there(editions: Path, tmp_path: Path) -> None:
    compile_protos(PROTOS, (*EDITIONS, *SHAPES), [f"--python_out={tmp_path}"])
    modules = ("shapes.edition2023_pb2", "shapes.edition2024_pb2")
    assert descriptors(editions, *modules) == descriptors(tmp_path, *modules)
    assert {"shapes/edition2023_connect.py", "shapes/edition2024_connect.py"} <= set(modules_in(editions))


USES_MESSAGES = """
from google.protobuf.descriptor_pb2 import DescriptorProto
from shapes import legacy_pb2, kinds_pb2
from shapes.kinds_pb2 import Timestamp, Kinds
inner = Kinds.Inner(depth="DEPTH_LOW")
message = Kinds(text="a", inner=inner, numbers={"a": 1}, word="b", at=Timestamp(seconds=1), **{"from": 3})
message.by_number[1].depth = Kinds.Inner.DEPTH_LOW
assert Kinds.FromString(message.SerializeToString()) == message
assert message.WhichOneof("choice") == "word" and not message.HasField("maybe")
assert kinds_pb2.MOOD_GOOD == kinds_pb2.Mood.Value("MOOD_GOOD") == 1
legacy = legacy_pb2.Legacy(must=1)
assert legacy.text == 'a "quoted" text' and legacy.level == legacy_pb2.Legacy.HIGH
legacy.Extensions[legacy_pb2.title] = "title"
legacy.Extensions[legacy_pb2.Legacy.itself].must = 2
assert legacy_pb2.Legacy.FromString(legacy.SerializeToString()) == legacy
options = legacy_pb2.Legacy.DESCRIPTOR.fields_by_name["text"].GetOptions()
assert options.Extensions[legacy_pb2.note] == "noted"
assert legacy_pb2.Legacy.DESCRIPTOR.GetOptions().Extensions[legacy_pb2.example].must == 1
copy = DescriptorProto()
kinds_pb2.Kinds.Inner.DESCRIPTOR.CopyToProto(copy)
assert [field.name for field in copy.field] == ["depth", "deeper"]
"""


@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_messages_work_in_both_implementations_of_the_library(everything: Path, implementation: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", USES_MESSAGES],
        env={"PYTHONPATH": str(everything), "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


USES_TYPES = """\
from datetime import datetime, timedelta

from landbridge.request import RequestContext
from shapes import kinds_connect, kinds_pb2, legacy_pb2
from shapes.kinds_pb2 import Kinds, Mood
from shapes.kinds_pb2 import Timestamp as Moment


def build() -> Kinds:
    message = Kinds(
        text="a", mood=kinds_pb2.MOOD_GOOD, inner=Kinds.Inner(deeper={"depth": "DEPTH_LOW"}), texts=["a"],
        numbers={"a": 1}, moods=["MOOD_BAD"], at=kinds_pb2.Timestamp(seconds=1), str=1, int="a",
    )
    message.inners.add().depth = Kinds.Inner.DEPTH_LOW
    message.by_number[1].CopyFrom(Kinds.Inner())
    message.moods_by_name["a"] = Mood.Value("MOOD_BAD")
    message.legacy.Extensions[legacy_pb2.title] = "title"
    message.MergeFrom(kinds_of_python())
    if message.HasField("maybe") and message.WhichOneof("choice") == "word":
        message.ClearField("other")
    return message


def kinds_of_python() -> Kinds:
    now = datetime.now()
    message = Kinds(
        at=now, lasts=timedelta(seconds=1), free={"a": 1}, several=[1, "a"], times=[now, Moment()],
    )
    message.at = now
    message.lasts = timedelta(seconds=2)
    message.free = {"a": [True]}
    message.several = [None]
    print(message.at.seconds, message.lasts.ToTimedelta(), message.free["a"], len(message.several))
    return message


class Service(kinds_connect.KindService):
    async def exchange(self, request: Kinds, _ctx: RequestContext[Kinds, Kinds], /) -> Kinds:
        return request


application = kinds_connect.KindServiceASGIApplication(Service())


async def call(client: kinds_connect.KindServiceClient) -> None:
    answer: Kinds = await client.exchange(build(), headers={"a": "b"}, timeout_ms=1.5)
    moment: kinds_pb2.Timestamp = await client.look(answer, use_get=True, headers=[("a", "b"), ("a", "c")])
    total: Kinds = await client.collect([Kinds.Inner(), Kinds.Inner()])
    async with client.collect() as collecting:
        await collecting.send(Kinds.Inner())
        total = await collecting.receive()
    async for part in client.spread(total):
        part.deeper.SetInParent()
    async with client.trade() as trading:
        await trading.send(Kinds(text=str(moment)))
        level: legacy_pb2.Legacy.Level.ValueType = (await trading.receive()).level
        print(level + 1)


def call_sync(client: kinds_connect.KindServiceClientSync) -> Kinds:
    for part in client.spread(client.exchange(build())):
        print(part.depth)
    for traded in client.trade(iter([Kinds()])):
        print(traded.must)
    return client.collect([Kinds.Inner()])
"""

MISUSES_TYPES = """\
from datetime import datetime, timedelta

from shapes import kinds_connect, kinds_pb2
from shapes.kinds_pb2 import Kinds

inner = Kinds.Inner(dept=1)  # wrong
message = Kinds(text=1)  # wrong
message = Kinds(numbers={1: 1})  # wrong
message = Kinds(inner=Kinds())  # wrong
message = Kinds(at=1.0)  # wrong
message = Kinds(lasts=datetime.now())  # wrong
message.at = timedelta(seconds=1)  # wrong
message.at = kinds_pb2.Timestamp()  # wrong
message.text = b"a"  # wrong
message.inner = Kinds.Inner()  # wrong
message.mood = Kinds.Inner.DEPTH_LOW  # wrong
message.HasField("text")  # wrong
message.ClearField("txt")  # wrong
message.WhichOneof("text")  # wrong
message.no_such_field  # wrong


async def call(client: kinds_connect.KindServiceClient) -> None:
    answer: int = await client.exchange(message)  # wrong
    await client.exchange(Kinds.Inner())  # wrong
    await client.exchange(message, use_get=True)  # wrong
    await client.no_such_method(message)  # wrong
    await client.collect([message])  # wrong
    client.spread(message, timeout="1s")  # wrong
    client.spread(message, headers={"a": 1})  # wrong
    client.spread(message, headers=[("a", b"b")])  # wrong
"""


def test_types_of_python_that_stand_for_messages_are_taken_as_the_types_say(everything: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", USES_TYPES + "\n\nkinds_of_python()\n"],
        env={"PYTHONPATH": os.pathsep.join((str(ROOT / "python"), str(everything)))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(" 0:00:02 values {\n  bool_value: true\n}\n 1\n"), done.stdout


def test_what_is_generated_passes_mypy_strict(everything: Path) -> None:
    mypy(everything, *modules_in(everything, "_connect.py"), *modules_in(everything, ".pyi"))


def test_types_hold_what_is_right_and_refuse_what_is_wrong(everything: Path) -> None:
    (everything / "right.py").write_text(USES_TYPES)
    (everything / "wrong.py").write_text(MISUSES_TYPES)
    mypy(everything, "right.py")
    wrong = [
        number for number, line in enumerate(MISUSES_TYPES.splitlines(), start=1) if line.endswith("# wrong")
    ]
    assert lines_that_mypy_refuses(everything, "wrong.py") == wrong


def test_what_is_generated_passes_pyright_in_strict_mode(everything: Path) -> None:
    settings = {
        "include": [*modules_in(everything, "_connect.py"), *modules_in(everything, "_pb2.py"), "**/*.pyi"],
        "extraPaths": [str(ROOT / "python")],
        "pythonVersion": "3.11",
        "typeCheckingMode": "strict",
    }
    (everything / "pyrightconfig.json").write_text(json.dumps(settings))
    said = checked(everything, BIN / "pyright", "--pythonpath", sys.executable)
    assert "0 errors, 0 warnings" in said


def test_what_is_generated_passes_ruff(everything: Path, editions: Path) -> None:
    for folder in (everything, editions):
        ruff = (BIN / "ruff", "--isolated")
        files = [
            *modules_in(folder, "_connect.py"),
            *modules_in(folder, "_pb2.py"),
            *modules_in(folder, ".pyi"),
        ]
        checked(folder, *ruff, "check", "--no-cache", "--select", "ALL", *files)
        checked(folder, *ruff, "format", "--no-cache", "--check", *files)


@pytest.mark.parametrize("io", ["async", "sync"])
def test_one_kind_of_code_alone_is_complete(io: str, tmp_path: Path) -> None:
    folder = generated(tmp_path / "out", "--io", io, *SHAPES, *HARD)
    mypy(folder, *modules_in(folder, "_connect.py"))
    text = (folder / "shapes" / "kinds_connect.py").read_text()
    assert ("ASGIApplication" in text) == (io == "async")
    assert ("ClientSync" in text) == (io == "sync")


@pytest.mark.parametrize(("naming", "method"), [("pep", "def pb___init__"), ("google", "def ExecuteUnary")])
def test_methods_are_named_as_asked(naming: str, method: str, tmp_path: Path) -> None:
    folder = generated(tmp_path / "out", "--naming", naming, *HARD, *SHAPES)
    assert method in (folder / "hard_names" / "x_y_z_connect.py").read_text()
    mypy(folder, *modules_in(folder, "_connect.py"))


def test_relative_imports_work_from_within_a_package(tmp_path: Path) -> None:
    generated(tmp_path / "made" / "here", "--imports", "relative", *EVERYTHING)
    program = "import made.here.hard_names.x_y_z_connect, made.here.shapes.kinds_connect"
    subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        env={"PYTHONPATH": f"{tmp_path}:{ROOT / 'python'}"},
        check=True,
        timeout=60,
    )


def test_hard_names_can_be_imported_and_their_comments_read(everything: Path) -> None:
    program = """
import warnings
from hard_names import x_y_z_connect as made
warnings.simplefilter("error")
assert 'three quotes' in made.Hard.__doc__ and made.Hard.__doc__.strip().endswith("Deprecated by the schema.")
assert made.Hard.import_.__doc__.startswith("Ends in a backslash \\\\")
assert {"close_", "desc_", "float", "mro", "pb___init__"} <= set(dir(made.HardClientSync))
assert {"Endpoint", "Protocol", "False_", "EndpointClient"} <= set(dir(made))
try:
    made.HardClientSync("http://127.0.0.1:1")
except DeprecationWarning as warning:
    assert "names.Hard is deprecated" in str(warning)
else:
    raise AssertionError("nothing was said")
"""
    subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        env={"PYTHONPATH": f"{everything}:{ROOT / 'python'}"},
        check=True,
        timeout=60,
    )


def test_importing_a_stub_brings_in_nothing_that_only_running_needs(everything: Path) -> None:
    program = """
import sys
import shapes.kinds_connect
needless = {"asyncio", "socket", "ssl", "json", "landbridge.serving", "landbridge._asgi"}
assert not needless & set(sys.modules), needless & set(sys.modules)
"""
    subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{everything}:{ROOT / 'python'}"},
        check=True,
        timeout=60,
    )


def test_a_project_with_landbridge_alone_generates_serves_and_is_typed(tmp_path: Path) -> None:
    python, environment = bare_python(tmp_path)
    project = tmp_path / "project"
    project.mkdir()
    (project / "notes.proto").write_text((PROTOS / "unpackaged.proto").read_text())

    def run(*command: str) -> str:
        done = subprocess.run(
            [*python, *command],
            cwd=project,
            env={**environment, "PYTHONPATH": f"{environment['PYTHONPATH']}:{project}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("-c", "import sys; from landbridge._cli import main; sys.exit(main())", "generate", "notes.proto")
    assert sorted(modules_in(project, "")) == [
        "notes.proto",
        "notes_connect.py",
        "notes_pb2.py",
        "notes_pb2.pyi",
    ]
    (project / "app.py").write_text(SERVES_NOTES)
    assert run("app.py") == '{"text":"kept: a"}\n'
    mypy(project, "app.py")
    (project / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    assert "0 errors, 0 warnings" in checked(project, BIN / "pyright", "--pythonpath", sys.executable)


SERVES_NOTES = """\
import urllib.request

from landbridge.request import RequestContext
from landbridge.serving import ServerSync
from notes_connect import NotesSync, NotesWSGIApplication
from notes_pb2 import Note


class Keeper(NotesSync):
    def keep(self, request: Note, _ctx: RequestContext[Note, Note], /) -> Note:
        return Note(text=f"kept: {request.text}")


if __name__ == "__main__":
    with ServerSync(NotesWSGIApplication(Keeper()), port=0) as server:
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.port}/Notes/Keep",
            data=b'{"text": "a"}',
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            print(response.read().decode().replace(" ", "", 1))
"""

WRONG: dict[str, tuple[str, str]] = {
    "syntax": ('syntax = "proto3";\nmessage A {\n  string = 1;\n}\n', "a.proto:3:10: "),
    "type": ('syntax = "proto3";\nmessage A {\n  B b = 1;\n}\n', "a.proto:3:3: "),
    "import": ('syntax = "proto3";\nimport "b.proto";\n', "a.proto:2:1: import 'b.proto' not found"),
    "number": ('syntax = "proto3";\nmessage A {\n  int32 a = 1;\n  int32 b = 1;\n}\n', "a.proto:"),
    "names": (
        'syntax = "proto3";\nmessage A {}\nservice S {\n  rpc GetIt(A) returns (A);\n'
        "  rpc get_it(A) returns (A);\n}\n",
        "the method S.GetIt and the method S.get_it are both get_it in Python",
    ),
    "classes": (
        'syntax = "proto3";\nmessage A {}\nservice S {}\nservice SSync {}\n',
        "a class of the service S and a class of the service SSync are both SSync",
    ),
    "edition": ('edition = "2023";\nmessage A { B b = 1; }\n', "a.proto:2:13: "),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_once_with_its_place(name: str, tmp_path: Path) -> None:
    source, expected = WRONG[name]
    (tmp_path / "a.proto").write_text(source)
    done = generate("a.proto", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("landbridge generate: ")
    assert done.stderr.count("\n") == 1
    assert expected in done.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "a.proto"]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    source = '\ufeffsyntax = "proto3";\npackage marked;\nmessage Marked { string text = 1; }\n'
    (tmp_path / "marked.proto").write_text(source, encoding="utf-8")
    generated = tmp_path / "generated"
    generate("-I", tmp_path, "-o", generated, tmp_path / "marked.proto")
    assert (generated / "marked_pb2.py").exists()


def test_a_file_outside_of_the_folders_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "a.proto").write_text('syntax = "proto3";')
    done = generate(tmp_path / "a.proto", "-I", "shapes")
    assert done.returncode == 1
    assert "a.proto" in done.stderr
    assert "-I" in done.stderr


def test_an_edition_without_protoc_says_how_to_get_one(tmp_path: Path) -> None:
    python, environment = bare_python(tmp_path)
    program = "import sys; from landbridge._cli import main; sys.exit(main())"
    done = subprocess.run(
        [*python, "-c", program, "generate", EDITIONS[0], "--out", str(tmp_path / "out")],
        cwd=PROTOS,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "shapes/edition2023.proto is of an edition" in done.stderr
    assert "landbridge[editions]" in done.stderr


def test_a_folder_stands_for_all_files_in_it_and_is_where_imports_are_looked_for(tmp_path: Path) -> None:
    for file in SHAPES:
        copy = tmp_path / "protos" / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text((PROTOS / file).read_text())
    sources: list[str | Path] = ["protos", tmp_path / "protos", "../protos"]
    for number, source in enumerate(sources):
        done = generate(source, "--out", f"out{number}", cwd=tmp_path / "protos" if number == 2 else tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), source
    expected = ["shapes/kinds_connect.py", "shapes/kinds_pb2.py", "shapes/legacy_pb2.py"]
    for folder in (tmp_path / "out0", tmp_path / "out1", tmp_path / "protos" / "out2"):
        assert list(modules_in(folder)) == expected


def test_files_are_found_however_their_folder_is_said(tmp_path: Path) -> None:
    name = "unpackaged.proto"
    said: list[tuple[str | Path, str | Path]] = [
        (name, PROTOS),
        (PROTOS / name, PROTOS),
        (PROTOS / name, "."),
        (name, "."),
        (f"../protos/{name}", "../protos"),
    ]
    for number, (file, include) in enumerate(said):
        folder = generated(tmp_path / str(number), file, "-I", include)
        assert list(modules_in(folder)) == ["unpackaged_connect.py", "unpackaged_pb2.py"]


def test_two_files_whose_modules_would_have_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a-b", "a_b"):
        (tmp_path / f"{name}.proto").write_text(f'syntax = "proto3"; message M_{name.replace("-", "d")} {{}}')
    done = generate("a-b.proto", "a_b.proto", cwd=tmp_path)
    assert done.returncode == 1
    assert "a-b.proto" in done.stderr
    assert "a_b_pb2.py" in done.stderr


def test_the_plugin_writes_the_same_stubs_under_protoc(everything: Path, tmp_path: Path) -> None:
    plugin = BIN / "protoc-gen-connect-python"
    outputs = [f"--plugin=protoc-gen-connect-python={plugin}", f"--connect-python_out={tmp_path}"]
    compile_protos(PROTOS, (*EVERYTHING, *EDITIONS), outputs)
    stubs = list(modules_in(everything, "_connect.py"))
    assert {*stubs, "shapes/edition2023_connect.py", "shapes/edition2024_connect.py"} == set(
        modules_in(tmp_path)
    )
    for stub in stubs:
        assert (tmp_path / stub).read_text() == (everything / stub).read_text()


def test_messages_of_protobuf_py_are_made_by_its_own_generator(tmp_path: Path) -> None:
    folder = generated(tmp_path / "out", "--protobuf", "py", *SHAPES)
    assert set(modules_in(folder)) >= {"shapes/kinds_pb.py", "shapes/legacy_pb.py", "shapes/kinds_connect.py"}
    program = """
from shapes.kinds_connect import KindService
assert KindService.desc().type_name == "shapes.KindService"
"""
    subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        env={"PYTHONPATH": f"{folder}:{ROOT / 'python'}"},
        check=True,
        timeout=60,
    )
