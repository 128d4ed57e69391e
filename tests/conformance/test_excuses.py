"""The harness excuses what the backend fails by itself, and nothing else."""

from pathlib import Path

import pytest

from tests.conformance import excuses, runner

OUTPUT = """\
Sending request for "Basic/HTTPVersion:2/Protocol:PROTOCOL_GRPC/TLS:false/unary/success"...
Sending request for "Odd/Codec:CODEC_PROTO/Compression:COMPRESSION_GZIP/TLS:false/unary/no-request"...
Sending request for "Odd/Codec:CODEC_PROTO/Compression:COMPRESSION_GZIP/TLS:false/unary/two"...
Sending request for "Odd/Codec:CODEC_PROTO/Compression:COMPRESSION_IDENTITY/TLS:false/unary/two"...
FAILED: Odd/Codec:CODEC_PROTO/Compression:COMPRESSION_GZIP/TLS:false/unary/no-request:
	actual error {code: 2 (unknown), message: "EOF"} does not match expected code 12 (unimplemented)
FAILED: Odd/Codec:CODEC_PROTO/Compression:COMPRESSION_GZIP/TLS:false/unary/two:
	expecting an error but received none
	expecting 0 response messages but instead got 1

Total cases: 4
2 passed, 2 failed
"""


def _parsed(output: str, status: int = 1) -> runner.Outcome:
    return runner.parse(output, status, Path("runner.log"))


def test_every_failure_is_read_with_its_reason() -> None:
    outcome = _parsed(OUTPUT)
    assert (outcome.passed, len(outcome.failures), outcome.not_run) == (2, 2, 0)
    (reason,) = (why for name, why in outcome.failures.items() if name.endswith("unary/two"))
    assert reason.splitlines() == [
        "\texpecting an error but received none",
        "\texpecting 0 response messages but instead got 1",
    ]


def test_only_what_fails_in_every_permutation_is_excused() -> None:
    assert excuses.computed(_parsed(OUTPUT)) == {"Odd/unary/no-request"}


@pytest.mark.parametrize(
    "name",
    [
        "Odd/HTTPVersion:1/Protocol:PROTOCOL_CONNECT/Codec:CODEC_JSON/TLS:true/unary/no-request",
        "Odd/unary/no-request",
    ],
)
def test_a_case_is_the_same_in_every_permutation(name: str) -> None:
    assert excuses.case_key(name) == "Odd/unary/no-request"


def test_another_suite_or_another_caller_is_another_case() -> None:
    keys = {
        excuses.case_key(name)
        for name in (
            "Odd/TLS:false/unary/no-request",
            "Even/TLS:false/unary/no-request",
            "Odd/TLS:false/(grpc client impl)/unary/no-request",
        )
    }
    assert len(keys) == 3


def test_a_runner_that_names_fewer_failures_than_it_counts_is_not_believed() -> None:
    with pytest.raises(runner.RunnerError, match="counted 3 failures and named 2"):
        _parsed(OUTPUT.replace("2 failed", "3 failed"))


def test_a_runner_without_totals_is_not_believed() -> None:
    with pytest.raises(runner.RunnerError, match="no totals"):
        _parsed("Sending request for ...")


def test_a_runner_that_fails_without_a_failed_case_is_not_believed() -> None:
    passed = 'Sending request for "Basic/unary/success"...\nTotal cases: 1\n1 passed, 0 failed\n'
    assert _parsed(passed, status=0).passed == 1
    with pytest.raises(runner.RunnerError, match="status 1"):
        _parsed(passed, status=1)


def test_a_direct_run_that_could_not_run_all_cases_excuses_nothing() -> None:
    broken = OUTPUT + "Another 7 could not be run due to client timing out or exiting prematurely.\n"
    with pytest.raises(runner.RunnerError, match="7 cases"):
        excuses.computed(_parsed(broken))
