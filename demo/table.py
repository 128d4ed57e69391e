"""The demo's table, printed as its rows come in."""

import shutil
import sys
from collections.abc import Iterable, Sequence

from demo.rows import Result, Row

_HEADINGS = ("client", "protocol", "HTTP", "call")


def print_table(rows: Sequence[Row], results: Iterable[Result], *, served: str) -> bool:
    """Print every result as it comes, then the verdict; return whether all rows passed.

    `served` says who is judged: "the bridge".
    """
    # All rows are known before the first result, so the columns fit from the first line on.
    widths = [max(len(cell) for cell in column) for column in zip(_HEADINGS, *map(_cells, rows), strict=True)]
    print(_line(_HEADINGS, widths, "result"))
    print("-" * len(_line(_HEADINGS, widths, "result" + " " * 34)))
    passed = failed = 0
    for result in results:
        mark = "ok    " if result.passed else "FAILED"
        print(_line(_cells(result.row), widths, f"{mark} {_fitting(result, widths)}"), flush=True)
        passed, failed = passed + result.passed, failed + (not result.passed)
    print()
    print(f"{passed} passed, {failed} failed")
    print(_verdict(passed, failed, served))
    return failed == 0 and passed > 0


def _verdict(passed: int, failed: int, served: str) -> str:
    if failed or not passed:
        return f"VERDICT: {served} does NOT serve every client: {failed} of {passed + failed} rows failed."
    return f"VERDICT: every client got the right answer from {served}, in all {passed} rows."


def _cells(row: Row) -> tuple[str, str, str, str]:
    return row.client, row.protocol, row.http, row.call


def _line(cells: Sequence[str], widths: Sequence[int], result: str) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join([*padded, result])


def _fitting(result: Result, widths: Sequence[int]) -> str:
    # A failure is told in full, and so is everything where the output is a file.
    if not result.passed or not sys.stdout.isatty():
        return result.said
    room = shutil.get_terminal_size().columns - sum(widths) - 2 * len(widths) - len("FAILED ")
    return result.said if len(result.said) <= room else result.said[: max(room - 3, 20)] + "..."
