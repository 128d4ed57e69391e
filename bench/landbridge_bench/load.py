"""One call, how it is checked once, and how it is repeated as load."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from . import programs
from .cores import Cores
from .error import BenchError
from .process import pinned

CHECK_TIMEOUT_S = 10


class Http(Enum):
    """The HTTP version a client speaks to the proxy."""

    ONE = "HTTP/1.1"
    TWO = "HTTP/2"


@dataclass(frozen=True)
class Call:
    """A POST that is sent again and again, and the answer it must get."""

    http: Http
    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)
    answer: bytes = field(repr=False)
    reader: Callable[[bytes], bytes] = bytes
    """Takes the answer out of a body where the body says more than that."""

    def check(self, port: int) -> None:
        """Makes the call once and compares status and body."""
        status, body = self._over_http_1(port) if self.http is Http.ONE else self._over_http_2(port)
        if status != 200:
            raise BenchError(f"the call to {self.path} was answered {status}: {body[:200]!r}")
        if self.reader(body) != self.answer:
            raise BenchError(
                f"the call to {self.path} was answered with {len(body)} bytes {body[:60]!r} "
                f"instead of {len(self.answer)} bytes {self.answer[:60]!r}"
            )

    def _over_http_1(self, port: int) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CHECK_TIMEOUT_S)
        try:
            connection.request("POST", self.path, self.body, self.headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _over_http_2(self, port: int) -> tuple[int, bytes]:
        # nghttp prints either the body or the head, so it is asked twice.
        heads = self._nghttp(port, "--null-out", "--verbose").decode(errors="replace")
        status = re.search(r":status: (\d+)", heads)
        grpc_status = re.search(r"grpc-status: (\d+)", heads)
        if status is None:
            raise BenchError(f"the call to {self.path} got no answer:\n{heads}")
        if grpc_status is not None and grpc_status[1] != "0":
            raise BenchError(f"the call to {self.path} ended with grpc-status {grpc_status[1]}:\n{heads}")
        return int(status[1]), self._nghttp(port)

    def _nghttp(self, port: int, *options: str) -> bytes:
        with self.body_file() as body:
            command = [
                programs.find("nghttp"),
                *options,
                f"--timeout={CHECK_TIMEOUT_S}",
                f"--data={body}",
            ]
            headers = [f"--header={name}: {value}" for name, value in self.headers.items()]
            ran = subprocess.run(
                [*command, *headers, "--header=:method: POST", self.url(port)],
                capture_output=True,
                check=False,
            )
        if ran.returncode != 0:
            raise BenchError(f"nghttp could not call {self.url(port)}: {ran.stderr.decode(errors='replace')}")
        return ran.stdout

    def url(self, port: int) -> str:
        """Where the call goes when the proxy listens on this port."""
        return f"http://127.0.0.1:{port}{self.path}"

    @contextmanager
    def body_file(self) -> Iterator[Path]:
        """The body as a file, for tools that read it from one."""
        with tempfile.NamedTemporaryFile(prefix="landbridge-bench-") as file:
            file.write(self.body)
            file.flush()
            yield Path(file.name)


@dataclass(frozen=True)
class LoadResult:
    """What the load generator counted; a result exists only when nothing failed."""

    requests: int
    seconds: float
    p50_us: float
    p99_us: float


@dataclass(frozen=True)
class Load:
    """A closed loop: so many connections, each with so many calls under way, for so long."""

    call: Call
    connections: int
    streams: int
    """Calls under way at once on each connection; always 1 over HTTP/1.1."""

    def in_flight(self) -> int:
        """Calls under way at once."""
        return self.connections * self.streams

    def run(self, port: int, seconds: int, cores: Cores) -> LoadResult:
        """Runs wrk for HTTP/1.1 and h2load for HTTP/2; any failed call is a failure of the run."""
        with self.call.body_file() as body, tempfile.NamedTemporaryFile(mode="r") as log:
            tool = (
                self._wrk(port, seconds, body)
                if self.call.http is Http.ONE
                else self._h2load(port, seconds, body, Path(log.name))
            )
            ran = subprocess.run([*pinned(cores.others), *tool], capture_output=True, text=True, check=False)
            if ran.returncode != 0:
                raise BenchError(f"{' '.join(tool)} failed:\n{ran.stdout}{ran.stderr}")
            if self.call.http is Http.ONE:
                return _wrk_result(ran.stdout)
            return self._h2load_result(ran.stdout, log.read())

    def _wrk(self, port: int, seconds: int, body: Path) -> list[str]:
        script = Path(__file__).with_name("post.lua")
        command = [
            programs.find("wrk"),
            "--threads=1",
            f"--connections={self.connections}",
            f"--duration={seconds}s",
        ]
        headers = [f"{name}: {value}" for name, value in self.call.headers.items()]
        return [*command, f"--script={script}", self.call.url(port), "--", str(body), *headers]

    def _h2load(self, port: int, seconds: int, body: Path, log: Path) -> list[str]:
        command = [programs.find("h2load"), "--threads=1", f"--duration={seconds}", f"--data={body}"]
        shape = [
            f"--clients={self.connections}",
            f"--max-concurrent-streams={self.streams}",
            f"--log-file={log}",
        ]
        headers = [f"--header={name}: {value}" for name, value in self.call.headers.items()]
        return [*command, *shape, *headers, self.call.url(port)]

    def _h2load_result(self, shown: str, log: str) -> LoadResult:
        took = _number(r"finished in ([\d.]+)s", shown)
        done = int(_number(r"(\d+) done", shown))
        bad = ("3xx", "4xx", "5xx", "failed", "errored", "timeout")
        if done == 0 or any(_number(rf"(\d+) {kind}\b", shown) for kind in bad):
            raise BenchError(f"calls failed under load:\n{shown}")
        # h2load cannot see grpc-status, but an error has no message: every answer must bring the whole body.
        received = int(_number(r"\((\d+)\) data", shown))
        expected = done * len(self.call.answer)
        if received < expected or received > expected + self.in_flight() * len(self.call.answer):
            raise BenchError(f"{done} answers brought {received} bytes instead of {expected}:\n{shown}")
        micros = sorted(int(line.split("\t")[2]) for line in log.splitlines())
        return LoadResult(done, took, _at(micros, 50), _at(micros, 99))


def _wrk_result(shown: str) -> LoadResult:
    summary = json.loads(next(line for line in shown.splitlines() if line.startswith("{")))
    if summary["errors"] or not summary["requests"]:
        raise BenchError(f"calls failed under load:\n{shown}")
    return LoadResult(summary["requests"], summary["seconds"], summary["p50_us"], summary["p99_us"])


def _number(pattern: str, shown: str) -> float:
    found = re.search(pattern, shown)
    if found is None:
        raise BenchError(f"the load generator's report has no {pattern!r}:\n{shown}")
    return float(found[1])


def _at(ordered: list[int], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
