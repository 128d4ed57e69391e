"""What `landbridge generate` is told."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Options:
    """The command line, read."""

    protos: list[Path] = field(default_factory=list)
    includes: list[Path] = field(default_factory=list)
    out: Path = Path()
    protobuf: str = "google"
    io: str = "both"
    imports: str = "absolute"
    naming: str = "connect"

    @property
    def parameter(self) -> str:
        """The same as the plugin takes it."""
        return ",".join(f"{name}={getattr(self, name)}" for name in ("protobuf", "io", "imports", "naming"))


def read(arguments: list[str]) -> Options:
    """Read a command line. Ends the process with a message where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="landbridge generate",
        description="Make Python modules of .proto files: messages with their types, services and clients. "
        "Neither protoc nor buf is needed.",
    )
    add = parser.add_argument
    add("protos", nargs="+", type=Path, metavar="PROTO", help="a .proto file, or a folder for all in it")
    add(
        "-I",
        "--include",
        dest="includes",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="where files and their imports are looked for, in this order; if not given, the current folder "
        "and folders that are named as PROTO",
    )
    add("-o", "--out", type=Path, default=Options.out, metavar="DIR", help="where modules go (%(default)s)")
    add("--protobuf", choices=("google", "py"), default="google", help="whose messages (%(default)s)")
    add("--io", choices=("both", "async", "sync"), default="both", help="which services and clients")
    add("--imports", choices=("absolute", "relative"), default="absolute", help="between modules")
    add("--naming", choices=("connect", "pep", "google"), default="connect", help="of methods")
    options = parser.parse_args(arguments, namespace=Options())
    if not options.includes:
        folders = [proto for proto in options.protos if proto.is_dir()]
        options.includes = folders if len(folders) == len(options.protos) else [*folders, Path()]
    return options
