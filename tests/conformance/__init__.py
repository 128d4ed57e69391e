"""The official RPC conformance suite, run through the bridge and against our servers and clients.

`make conformance SUITE=...`; see `suites.py` for what each of the suites is.
"""
