"""Where CI is set, a skipped test fails."""

import pytest

from tests.support import skips

pytest_plugins = ["pytester"]

TESTS = """
import pytest

def test_called():
    pytest.skip("no engine")

@pytest.mark.skip(reason="not today")
def test_marked(): ...

@pytest.fixture
def server():
    pytest.skip("no server")

def test_set_up(server): ...

def test_of_the_machine():
    pytest.skip("this machine has no Python 3.9 with pip")

@pytest.mark.xfail(strict=True)
def test_known_to_fail():
    assert False

def test_good(): ...
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder of tests whose run knows the rule."""
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile(TESTS)
    return pytester


def _run(pytester: pytest.Pytester) -> pytest.RunResult:
    return pytester.runpytest_inprocess("-p", "no:randomly", plugins=[skips])


def test_a_skipped_test_fails_and_says_why(run: pytest.Pytester) -> None:
    ran = _run(run)

    ran.assert_outcomes(passed=1, failed=1, errors=2, skipped=1, xfailed=1)
    for reason in ("no engine", "not today", "no server"):
        ran.stdout.fnmatch_lines([f"*nothing may be skipped where CI is set: {reason}"])
    assert ran.ret == pytest.ExitCode.TESTS_FAILED


def test_a_skipped_module_fails(run: pytest.Pytester) -> None:
    run.makepyfile(test_module="import pytest\npytest.importorskip('no_such_module')")

    ran = _run(run)

    ran.stdout.fnmatch_lines(["*nothing may be skipped where CI is set: could not import 'no_such_module*"])
    assert ran.ret == pytest.ExitCode.INTERRUPTED


def test_elsewhere_a_test_may_be_skipped(run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI")

    _run(run).assert_outcomes(passed=1, skipped=4, xfailed=1)
