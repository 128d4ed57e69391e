"""The command line of `landbridge serve`."""

from __future__ import annotations

import logging

from landbridge._serve.options import read


def serve(arguments: list[str]) -> int:
    """Serve as the command line says; the exit status."""
    options = read(arguments)
    logging.basicConfig(
        level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"
    )
    if options.workers == 1 and not options.reload:
        from landbridge._serve.worker import work  # noqa: PLC0415

        return work(options)
    from landbridge._serve.supervisor import supervise  # noqa: PLC0415

    # Each worker is a plain server of its own.
    passed_on = [argument for argument in arguments if argument != "--reload"]
    return supervise(options, passed_on)
