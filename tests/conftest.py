"""Fixtures for all tests: the real servers of tests/support."""

import distribution.hooks  # noqa: F401 (as in the image, before anybody imports llama-stack)

pytest_plugins = ["tests.support.fixtures"]
