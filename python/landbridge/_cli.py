"""The commands `landbridge` and `protoc-gen-connect-python`."""

from __future__ import annotations

import sys

_USAGE = """\
usage: landbridge serve MODULE:APPLICATION ...   serve applications in all three protocols
       landbridge generate PROTO ...             make Python modules of .proto files
       landbridge bridge [OPTIONS]               translate in front of a server, as an Envoy file says
       landbridge call URL [OPTIONS]             call a method with JSON, in any of the three protocols
       landbridge --version

Each command explains itself with --help."""


def main() -> int:
    """Run the command that the command line names."""
    command = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if command == "serve":
        from landbridge._serve.command import serve  # noqa: PLC0415

        return serve(sys.argv[2:])
    if command == "generate":
        from landbridge._generate.command import generate  # noqa: PLC0415

        return generate(sys.argv[2:])
    if command in {"bridge", "call"}:
        import signal  # noqa: PLC0415

        from landbridge import _core  # noqa: PLC0415

        # Ctrl-C ends it as it ends any program: no Python runs in it that could be interrupted.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        return _core.run(["landbridge", *sys.argv[1:]])
    if command in {"--version", "-V"}:
        from landbridge import _core  # noqa: PLC0415

        print(f"landbridge {_core.__version__}")
        return 0
    print(_USAGE, file=sys.stdout if command in {"--help", "-h"} else sys.stderr)
    return 0 if command in {"--help", "-h"} else 2


def plugin() -> int:
    """Answer protoc: a request on standard input, the response on standard output."""
    from landbridge import _core  # noqa: PLC0415

    try:
        response = _core.plugin(sys.stdin.buffer.read())
    except ValueError as problem:
        print(f"protoc-gen-connect-python: {problem}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(response)
    return 0
