"""The place where the documentation's commands run: a folder that looks like the repository to them.

The documentation names ports 8080 (the bridge), 8081 (the server), 8082 (the server in Python) and 9090
(admin). Here the system picks them, and each command is given the ones that stand for those.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.docs.console import Step
from tests.docs.listening import DEADLINE_SECONDS, listening
from tests.running.paths import RELEASE_BINARY, ROOT
from tests.running.stubs import DEMO_PROTO, DEMO_PROTOS, write_descriptor_set

BRIDGE, SERVER, ADMIN, PYTHON = "8080", "8081", "9090", "8082"
"""The ports that the documentation names."""

ANY_PORT = {BRIDGE: "0", ADMIN: "0"}
"""What a bridge that is to be started is told to listen on."""

GUIDE_FILE = "demo/envoy.yaml"

_IN_COMMANDS = re.compile(r"(?<=127\.0\.0\.1:)(8080|8081|8082|9090)\b")
_IN_FILES = re.compile(r"(?<=port_value: )(8080|8081|9090)\b")
_OF_THE_PACKAGE = re.compile(r"^landbridge (?!bridge\b)")
"""Commands that the Python package has, and the binary does not."""

_SERVES = re.compile(r"(target/release/)?landbridge bridge\b(?!.*--mode validate)")


@dataclass(frozen=True)
class Workshop:
    """A furnished folder, and the ports that stand for the documentation's."""

    folder: Path
    ports: Mapping[str, str]

    @property
    def guide(self) -> str:
        """The guide's Envoy file, with ports that the system picks."""
        return (self.folder / GUIDE_FILE).read_text()

    def validate(self, content: str) -> subprocess.CompletedProcess[str]:
        """Let the bridge check a file."""
        file = self.folder / "snippet.yaml"
        file.write_text(content)
        return self._run(f"landbridge bridge -c {file.name} --mode validate")

    def follow(self, steps: Sequence[Step]) -> None:
        """Run the commands of a snippet, and hold what they say against what is shown."""
        with ExitStack() as started:
            shop = self
            for step in steps:
                if _SERVES.match(step.command):
                    shop = started.enter_context(shop.bridge(step.command))
                else:
                    shop._follow(step)

    @contextmanager
    def bridge(self, command: str = f"landbridge bridge -c {GUIDE_FILE}") -> Iterator["Workshop"]:
        """Run a bridge; yield the same workshop with the ports of that bridge."""
        admin_file = self.folder / "admin-address"
        admin_file.unlink(missing_ok=True)
        command = _with_ports(command, {**self.ports, **ANY_PORT})
        command += f" --admin-address-path {shlex.quote(str(admin_file))}"
        shell = ["sh", "-c", f"cd {shlex.quote(str(self.folder))} && exec {command} 2>&1"]
        with listening(shell, self._environment()) as port:
            ports = {**self.ports, BRIDGE: port}
            if admin_file.exists():
                ports[ADMIN] = admin_file.read_text().strip().rpartition(":")[2]
            yield replace(self, ports=ports)

    def _follow(self, step: Step) -> None:
        if step.command.startswith("make "):
            # What it makes has tests of its own; here it only has to be there.
            done = self._run(step.command.replace("make ", f"make --dry-run -C {ROOT} ", 1))
            assert done.returncode == 0, done.stdout
            return
        done = self._run(step.command)
        assert step.ends_well() == (done.returncode == 0), f"status {done.returncode}: {done.stdout}"
        assert step.matches(done.stdout), f"{step.command}\nshown:\n{step.shown}\nsaid:\n{done.stdout}"

    def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        package = Path(sys.executable).with_name("landbridge")
        command = _OF_THE_PACKAGE.sub(f"{shlex.quote(str(package))} ", command)
        return subprocess.run(
            ["sh", "-c", _with_ports(command, self.ports)],
            cwd=self.folder,
            env={**os.environ, **self._environment()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    def _environment(self) -> Mapping[str, str]:
        programs = [str(self.folder / "target" / "release"), str(Path(sys.executable).parent)]
        return {
            "PATH": os.pathsep.join([*programs, os.environ["PATH"]]),
            # Where curl looks for its settings.
            "CURL_HOME": str(self.folder),
        }


def furnished(folder: Path, server_port: int, python_port: int) -> Workshop:
    """Put into an empty folder what the documentation's commands and configurations name."""
    (folder / "demo").mkdir()
    guide = (ROOT / GUIDE_FILE).read_text()
    ports = {SERVER: str(server_port), PYTHON: str(python_port)}
    own = {**ports, **ANY_PORT}
    (folder / GUIDE_FILE).write_text(_IN_FILES.sub(lambda port: own[port[0]], guide))
    (folder / "demo" / "proto").symlink_to(DEMO_PROTOS)
    (folder / "target" / "release").mkdir(parents=True)
    (folder / "target" / "release" / "landbridge").symlink_to(RELEASE_BINARY)
    (folder / ".curlrc").write_text('silent\nshow-error\nnoproxy = "*"\n')
    write_descriptor_set(DEMO_PROTOS, [DEMO_PROTO], folder / "talk.binpb")
    (folder / "tls").mkdir()
    # One certificate that nobody trusts plays every part.
    for name in ("server", "client", "ca"):
        shutil.copy(Path(__file__).with_name("certificate.pem"), folder / "tls" / f"{name}.pem")
        shutil.copy(Path(__file__).with_name("key.pem"), folder / "tls" / f"{name}-key.pem")
    return Workshop(folder, ports)


def _with_ports(command: str, ports: Mapping[str, str]) -> str:
    return _IN_COMMANDS.sub(lambda port: ports[port[0]], command)
