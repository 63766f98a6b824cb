"""Which tests stay together, and which come first."""

import pytest

from builder import paths
from tests.support import workers

pytest_plugins = ["pytester"]

FILES, PROMPTS = "tests/integration/files", "tests/integration/prompts"


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("tests/unit/a.py::test_x", "tests/unit/a.py::TestA::test_y[1]", True),
        ("tests/unit/a.py::test_x", "tests/unit/b.py::test_x", False),
        ("tests/image/test_building.py::test_x", "tests/image/test_pushing.py::test_y", True),
        ("tests/image/test_building.py::test_x", "tests/image/test_config.py::test_x", False),
        (f"{FILES}/test_a.py::test_x[disk and SQLite]", f"{FILES}/test_b.py::test_y[1-disk and SQLite-2]", True),
        (f"{FILES}/test_a.py::test_x[disk and SQLite]", f"{FILES}/test_a.py::test_x[S3 and PostgreSQL]", False),
        (f"{PROMPTS}/test_a.py::test_x[redis]", f"{PROMPTS}/test_b.py::test_x[redis-7]", True),
        (f"{PROMPTS}/test_a.py::test_x[redis]", f"{PROMPTS}/test_a.py::test_x[sqlite]", False),
        (f"{PROMPTS}/test_a.py::test_x[kv_redis]", f"{PROMPTS}/test_a.py::test_x", True),
    ],
)
def test_a_unit_is_a_module_or_what_shares_a_server(one: str, other: str, together: bool) -> None:
    assert (workers.unit(one) == workers.unit(other)) is together


def test_what_comes_first_is_there() -> None:
    assert [place for place in workers.FIRST if not (paths.ROOT / place).exists()] == []


def test_units_come_in_their_order_and_keep_that_of_their_tests(pytester: pytest.Pytester) -> None:
    for path in ("tests/unit/test_small", "tests/image/test_contents", "tests/image/test_building"):
        pytester.makepyfile(**{path: "def test_b(): ...\ndef test_a(): ..."})

    ran = pytester.runpytest_inprocess("-p", "no:randomly", "--collect-only", "-q", plugins=[workers])

    ran.stdout.fnmatch_lines(
        [
            "tests/image/test_building.py::test_b",
            "tests/image/test_building.py::test_a",
            "tests/image/test_contents.py::test_b",
            "tests/image/test_contents.py::test_a",
            "tests/unit/test_small.py::test_b",
            "tests/unit/test_small.py::test_a",
        ],
        consecutive=True,
    )


def test_a_path_that_is_not_there_is_not_passed_over_in_silence(pytester: pytest.Pytester) -> None:
    ran = pytester.runpytest_inprocess("-p", "no:randomly", "-n1", "absent.py", plugins=[workers])

    ran.stdout.fnmatch_lines(["no test was found; with -n0 pytest says why"])
    assert ran.ret == pytest.ExitCode.NO_TESTS_COLLECTED
