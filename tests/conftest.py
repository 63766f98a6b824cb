"""Plugins for all tests: the real servers of tests/support, and how the tests are run."""

import distribution.hooks  # noqa: F401 (as in the image, before anybody imports llama-stack)

pytest_plugins = [
    "tests.support.fixtures",
    "tests.support.lengths",
    "tests.support.skips",
    "tests.support.workers",
]
