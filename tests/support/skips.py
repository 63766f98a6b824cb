"""No silent skip: where ``CI`` is set, a test that is skipped fails, but for reasons that lie in the machine."""

import os
import re
from collections.abc import Generator

import pytest

ALLOWED = (re.compile(r"this machine has no Python 3\.\d+ with pip"),)
"""Reasons that a continuous integration may have: what no package of Debian or PyPI provides."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a failure of a skipped test."""
    report = yield
    if not hasattr(report, "wasxfail"):
        _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Make a failure of a skipped module."""
    report = yield
    _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not (report.skipped and os.environ.get("CI")):
        return
    assert isinstance(report.longrepr, tuple)
    _, _, said = report.longrepr
    reason = said.removeprefix("Skipped: ")
    if not any(allowed.fullmatch(reason) for allowed in ALLOWED):
        report.outcome = "failed"
        report.longrepr = f"nothing may be skipped where CI is set: {reason}"
