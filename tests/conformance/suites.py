"""The suites, each a run of the official runner.

`bridge-server`: the runner's clients call the bridge in every protocol; behind it is a gRPC server.
`server`, `server-sync`, `server-asgi`, `server-wsgi`: the runner's clients call a Python application: on our
own server, asynchronous and blocking, and on uvicorn and gunicorn. `client`, `client-sync`: our asynchronous
and our blocking client call the runner's servers, which judge what is sent. `bridge-client`: calls in other
protocols pass the bridge to the runner's servers, which judge the gRPC that the bridge sends; once for every
protocol on the near side.
"""

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.conformance import excuses, official, runner
from tests.running.paths import TARGET

_CONFIG = Path(__file__).parent / "config"
_LOGS = TARGET / "conformance" / "logs"


@dataclass(frozen=True)
class Suite:
    """What is run, and against what its failures are held."""

    mode: Literal["client", "server"]
    runs: Sequence["Run"]
    backend: "Backend | None" = None
    """What stands behind a proxy; none where the server itself is tested."""


@dataclass(frozen=True)
class Backend:
    """A program of the module that is run directly, without a proxy: what it fails by itself is excused."""

    config: Path
    command: Sequence[str]


@dataclass(frozen=True)
class Run:
    """One run of the runner: its configuration, and the module of ours that it tests, with arguments."""

    name: str
    config: Path
    module: str
    arguments: Sequence[str] = ()
    flags: Sequence[str] = ()
    """For the interpreter."""

    def command(self, logs: Path) -> list[str | Path]:
        """Return the command line for the runner to start."""
        return [sys.executable, *self.flags, "-m", self.module, *self.arguments, logs]


def _through_the_bridge(protocol: str, codec: str, config: str = "bridge-client.yaml") -> Run:
    near_side = f"{protocol.removeprefix('PROTOCOL_')}-{codec.removeprefix('CODEC_')}".lower()
    return Run(
        f"bridge-client-{near_side}", _CONFIG / config, "tests.conformance.bridge_client", (protocol, codec)
    )


def _python_server(name: str, kind: str, config: str) -> Suite:
    run = Run(name, _CONFIG / config, "tests.conformance.python_server", (kind,))
    return Suite(mode="server", runs=(run,))


def _python_client(name: str, kind: str) -> Suite:
    strict = ("-X", "dev", "-W", "error")
    run = Run(name, _CONFIG / "client.yaml", "tests.conformance.python_client", (kind,), strict)
    return Suite(mode="client", runs=(run,))


SUITES = {
    "bridge-server": Suite(
        mode="server",
        runs=(Run("bridge-server", _CONFIG / "bridge-server.yaml", "tests.conformance.bridge_server"),),
        backend=Backend(_CONFIG / "backend.yaml", ("referenceserver",)),
    ),
    "bridge-client": Suite(
        mode="client",
        runs=(
            _through_the_bridge("PROTOCOL_CONNECT", "CODEC_PROTO"),
            _through_the_bridge("PROTOCOL_CONNECT", "CODEC_JSON", "bridge-client-json.yaml"),
            _through_the_bridge("PROTOCOL_GRPC_WEB", "CODEC_PROTO"),
        ),
        # Here the servers are the runner's own, so the direct run is the reference client calling them.
        backend=Backend(_CONFIG / "bridge-client.yaml", ("referenceclient", "-p", "16")),
    ),
    "server": _python_server("server", "async", "server.yaml"),
    "server-sync": _python_server("server-sync", "sync", "server.yaml"),
    "server-asgi": _python_server("server-asgi", "uvicorn", "server-asgi.yaml"),
    "server-wsgi": _python_server("server-wsgi", "gunicorn", "server-wsgi.yaml"),
    "client": _python_client("client", "async"),
    "client-sync": _python_client("client-sync", "sync"),
}


@dataclass(frozen=True)
class Verdict:
    """What one run came to, once the backend's own failures are taken out."""

    run: Run
    outcome: runner.Outcome
    excused: dict[str, str]
    ours: dict[str, str]
    log: Path

    @property
    def passed(self) -> bool:
        """Whether nothing failed that the backend does not fail by itself."""
        return not self.ours and not self.outcome.not_run and self.outcome.passed > 0


def verdicts(suite: Suite) -> Iterator[Verdict]:
    """Run a suite, one verdict for each of its runs."""
    official.prepare()
    if suite.backend is None:
        official.prepare_stubs()
        allowed = frozenset[str]()
    else:
        allowed = excuses.of_backend(suite.mode, suite.backend.config, suite.backend.command)
    for run in suite.runs:
        logs = _fresh_folder(_LOGS / run.name)
        log = logs.with_suffix(".log")
        outcome = runner.run(suite.mode, run.config, run.command(logs), log)
        excused = {name: why for name, why in outcome.failures.items() if excuses.case_key(name) in allowed}
        ours = {name: why for name, why in outcome.failures.items() if name not in excused}
        yield Verdict(run, outcome, excused, ours, log)


def _fresh_folder(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
