"""A Python server on landbridge, as its users run it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.running.paths import OWN_STUBS, ROOT
from tests.running.processes import ProcessEndedError, end_group, running

_SERVING = re.compile(r"serving on https?://.*:(\d+)$")


@contextmanager
def running_python_server(application: str, port: int = 0, *flags: str) -> Iterator[int]:
    """Run `landbridge serve`; yield the port once it serves."""
    serve = [
        str(Path(sys.executable).parent / "landbridge"),
        "serve",
        application,
        "--port",
        str(port),
        *flags,
    ]
    environment = {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, OWN_STUBS)))}
    # What it says goes to standard error.
    command = ["sh", "-c", 'exec "$@" 2>&1', "sh", *serve]
    with running(command, stdout=subprocess.PIPE, env=environment) as process:
        # Asked for as a pipe in the line above.
        assert process.stdout is not None
        try:
            yield _port(process.stdout)
        finally:
            # Its output ends with it.
            end_group(process)
            process.stdout.close()


def _port(output: IO[bytes]) -> int:
    said = []
    for line in output:
        said.append(line.decode().rstrip())
        if found := _SERVING.search(said[-1]):
            return int(found[1])
    raise ProcessEndedError("the Python server did not start:\n" + "\n".join(said))
