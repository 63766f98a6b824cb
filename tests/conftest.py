"""Fixtures for all tests: the real servers of tests/support."""

pytest_plugins = ["tests.support.fixtures"]
