"""The file of Connect-Python's guide is the file that the demo runs."""

import hashlib

from tests.running.paths import ROOT

GUIDE_FILE_SHA256 = "f59d344fb5073f08bcb86bf2db1808854e11ad89eb1c2b7f92eec9c68a1364fc"


def test_the_demo_runs_the_guides_file_byte_for_byte() -> None:
    assert hashlib.sha256((ROOT / "demo" / "envoy.yaml").read_bytes()).hexdigest() == GUIDE_FILE_SHA256
