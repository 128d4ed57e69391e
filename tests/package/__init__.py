"""The Python package: what applications may rely on."""
