"""The one error that ends a benchmark, worded for the person who ran it."""


class BenchError(Exception):
    """A run that cannot be trusted, or cannot start; the message says what to do."""
