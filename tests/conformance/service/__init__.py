"""The conformance service as an application of landbridge: asynchronous, and blocking."""
