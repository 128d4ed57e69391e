"""The official RPC conformance suite, run through the bridge.

`make conformance SUITE=bridge-server` and `SUITE=bridge-client`; see `suites.py` for what each of them is.
"""
