"""Plugins for all tests: the real servers of tests/support, and how the tests are run."""

import os
import sys

import pytest

pytest.register_assert_rewrite("tests.support.scenarios")

# Tests start hundreds of Pythons. Each would compile what it imports, and take twice as long, where a machine is set
# to keep no bytecode, as images for continuous integration are.
os.environ["PYTHONDONTWRITEBYTECODE"] = ""
sys.dont_write_bytecode = False

import distribution.hooks  # noqa: E402, F401 (as in the image, before anybody imports llama-stack)

pytest_plugins = [
    "tests.support.fixtures",
    "tests.support.lengths",
    "tests.support.skips",
    "tests.support.workers",
]
