"""Starting the bridge: Envoy's flags, and refusals that say what to change."""

import json
import re
import socket
import subprocess
from pathlib import Path

import httpx

from tests.peers.connect import post_json
from tests.running.bridge import bridge_command, running_bridge
from tests.running.envoy_file import Upstream, envoy_file
from tests.running.paths import ROOT
from tests.running.processes import running

SEED_FILE = ROOT / "demo" / "envoy.yaml"


def _refusal(*arguments: str) -> str:
    """Run a bridge that must refuse to start; return what it says."""
    done = subprocess.run(
        [*bridge_command(), *arguments], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode != 0
    assert "panicked" not in done.stderr
    return done.stderr + done.stdout


def test_validate_accepts_the_seed_file() -> None:
    command = [*bridge_command(), "-c", str(SEED_FILE), "--mode", "validate"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr


def test_a_file_may_be_given_in_the_command_line() -> None:
    command = [*bridge_command(), "--config-yaml", SEED_FILE.read_text(), "--mode", "validate"]
    assert subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0


def test_an_unknown_field_is_refused_by_its_path(tmp_path: Path) -> None:
    content = envoy_file(Upstream(1))
    content["static_resources"]["clusters"][0]["colour"] = "blue"
    file = tmp_path / "envoy.json"
    file.write_text(json.dumps(content))
    assert "static_resources.clusters[0].colour" in _refusal("-c", str(file))


def test_a_file_that_is_not_yaml_is_refused_by_its_line(tmp_path: Path) -> None:
    file = tmp_path / "envoy.yaml"
    file.write_text("admin:\n  address: [\n")
    said = _refusal("-c", str(file))
    assert str(file) in said
    assert "line" in said


def test_a_missing_file_is_refused_by_its_name(tmp_path: Path) -> None:
    assert "no-such-file.yaml" in _refusal("-c", str(tmp_path / "no-such-file.yaml"))


def test_a_port_in_use_is_refused_by_its_number(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        content = envoy_file(Upstream(1))
        content["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = port
        file = tmp_path / "envoy.json"
        file.write_text(json.dumps(content))
        assert str(port) in _refusal("-c", str(file))


def test_a_certificate_that_does_not_load_is_refused(tmp_path: Path) -> None:
    content = envoy_file(Upstream(1))
    (chain,) = content["static_resources"]["listeners"][0]["filter_chains"]
    broken = {"certificate_chain": {"inline_string": "broken"}, "private_key": {"inline_string": "broken"}}
    chain["transport_socket"] = {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"tls_certificates": [broken]},
        },
    }
    file = tmp_path / "envoy.json"
    file.write_text(json.dumps(content))
    assert "certificate" in _refusal("-c", str(file))


def test_an_upstream_may_be_given_by_its_name(talk_server: int, tmp_path: Path) -> None:
    command = [*bridge_command(), "--listen", "127.0.0.1:0", "--upstream", f"localhost:{talk_server}"]
    log = tmp_path / "bridge.log"
    with running(command, log=log) as process:
        while not (found := re.search(r"address=(127\.0\.0\.1:\d+)", log.read_text())):
            assert process.poll() is None, log.read_text()
        with httpx.Client(base_url=f"http://{found[1]}", timeout=20, trust_env=False) as client:
            answer = post_json(client, "Say", {"sentence": "hello"})
    assert answer.json()["sentence"] == "You said: hello"


def test_an_address_that_is_none_is_refused_with_one_that_would_be() -> None:
    assert "localhost:8081" in _refusal("--listen", "127.0.0.1:0", "--upstream", "localhost")
    assert "0.0.0.0:8080" in _refusal("--listen", "localhost:8080", "--upstream", "localhost:8081")


def test_no_workers_count_as_one(talk_server: int) -> None:
    with running_bridge(envoy_file(Upstream(talk_server)), flags=["--concurrency", "0"]) as bridge:
        assert "server.concurrency: 1\n" in bridge.admin_text("/stats")


def test_several_workers_share_one_port(talk_server: int) -> None:
    with running_bridge(envoy_file(Upstream(talk_server)), flags=["--concurrency", "2"]) as bridge:
        for _ in range(16):
            with httpx.Client(base_url=bridge.url) as client:
                assert post_json(client, "Say", {"sentence": "x"}).status_code == 200
