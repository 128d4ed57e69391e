"""The pages about the bridge, about calls and about deployment name all that there is."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import httpx
from landbridge.serving import Limits

from tests.running.bridge import Bridge, bridge_command, running_bridge
from tests.running.envoy_file import Upstream, envoy_file
from tests.running.paths import RELEASE_BINARY, ROOT

PAGE = (ROOT / "docs" / "bridge.md").read_text()

DEPLOYMENT = (ROOT / "docs" / "deployment.md").read_text()

EVERY_FIELD = ROOT / "crates" / "bridge" / "tests" / "data" / "full.yaml"
"""A file with every field that the bridge supports, kept so by a test of its own."""

NOT_FIELDS = {"fixed", "nested", "list", "anything"}
"""Keys that the file's author made up: names in an access log, and somebody else's metadata."""


def test_every_field_of_the_file_is_named() -> None:
    fields = set(re.findall(r"(?<![\w.])([a-z][a-z0-9_]*):(?=\s|$)", EVERY_FIELD.read_text(), re.MULTILINE))
    assert len(fields) > 100
    assert [field for field in sorted(fields - NOT_FIELDS) if not re.search(rf"\b{field}\b", PAGE)] == []


def test_every_flag_is_named() -> None:
    help_page = subprocess.run(
        [*bridge_command(), "--help"], capture_output=True, text=True, timeout=20, check=True
    ).stdout
    flags = set(re.findall(r"--[a-z][a-z-]+", help_page)) - {"--help"}
    assert {"--config-path", "--mode"} <= flags
    assert [flag for flag in sorted(flags) if f"`{flag}" not in PAGE] == []


def test_every_flag_of_a_call_is_named() -> None:
    help_page = subprocess.run(
        [RELEASE_BINARY, "call", "--help"], capture_output=True, text=True, timeout=20, check=True
    ).stdout
    flags = set(re.findall(r"--[a-z][a-z0-9.-]*[a-z0-9]", help_page)) - {"--help"}
    assert {"--data", "--http1.1"} <= flags
    page = (ROOT / "docs" / "call.md").read_text()
    assert [flag for flag in sorted(flags) if f"`{flag}" not in page] == []


def test_every_path_of_the_admin_server_is_named() -> None:
    with running_bridge(envoy_file(Upstream(1))) as bridge:
        paths = set(re.findall(r"^  (/\S*?)(?: \(POST\))?:", bridge.admin_text("/help"), re.MULTILINE))
    assert "/ready" in paths
    assert [path for path in sorted(paths) if f"`{path}`" not in PAGE] == []


def test_every_statistic_is_named(talk_server: int) -> None:
    with running_bridge(envoy_file(Upstream(talk_server))) as bridge:
        _call(bridge)
        stats = [line.split(": ")[0] for line in bridge.admin_text("/stats").splitlines()]
    own = [name.rpartition(".")[2] for name in stats if not name.startswith("landbridge.calls.")]
    assert len(own) > 50
    assert [name for name in own if not _is_named(name)] == []


def _call(bridge: Bridge) -> None:
    url = f"{bridge.url}/talk.v1.TalkService/Say"
    assert httpx.post(url, json={"sentence": "hello"}, trust_env=False).status_code == 200


def _is_named(statistic: str) -> bool:
    """Whether the page has the name: written out, or as an ending after others of the same beginning."""
    # `_1xx` to `_5xx` and single statuses stand for all of their kind.
    statistic = re.sub(r"_[1-5]xx$", "_1xx", statistic)
    statistic = re.sub(r"_[1-5]\d\d$", "_200", statistic)
    cuts = [index for index, letter in enumerate(statistic) if letter == "_"]
    endings = [f"`{statistic[cut:]}`" for cut in cuts]
    return f"`{statistic}`" in PAGE or f".{statistic}`" in PAGE or any(ending in PAGE for ending in endings)


def test_every_flag_of_serve_is_named() -> None:
    command = [str(Path(sys.executable).parent / "landbridge"), "serve", "--help"]
    help_page = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    flags = set(re.findall(r"--[a-z][a-z-]+", help_page)) - {"--help"}
    assert {"--port", "--workers"} <= flags
    assert [flag for flag in sorted(flags) if f"`{flag}" not in DEPLOYMENT] == []


def test_every_limit_of_a_server_is_named_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| ([\w.]+) \|", DEPLOYMENT, re.MULTILINE))
    assert rows == {
        field.name: "none" if field.default is None else f"{field.default:g}" for field in fields(Limits)
    }
