"""The native server's calls, taken to their handlers."""
