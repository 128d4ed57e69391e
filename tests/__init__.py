"""Tests that run real programs against a built bridge."""
