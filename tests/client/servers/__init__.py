"""Servers that are not ours, as programs of their own."""
