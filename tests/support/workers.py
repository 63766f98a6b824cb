"""How tests are spread over workers: what shares a server stays together, and what takes longest comes first."""

import re

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_ONLY_READS_THE_IMAGE = "bootstrap|clients|config|contents|deployments|launch_paths|run_command|scenarios|vector_stores"

TOGETHER = (
    # Builds in this clone, or in copies that share its stages; in an engine that was there before, one image of a name.
    re.compile(rf"tests/image/test_(?!(?:{_ONLY_READS_THE_IMAGE})\.py)"),
    # Servers of a whole folder, one for each kind of storage.
    re.compile(r"tests/integration/files/.*\[.*\b(disk and SQLite|S3 and PostgreSQL)\b"),
    re.compile(r"tests/integration/prompts/.*\[.*\b(sqlite|postgres|redis)\b"),
    re.compile(r"tests/integration/(?:agents|inference)/"),
    # Two servers of the image for all attacks; fuzzing has one of its own.
    re.compile(r"tests/security/(?!test_fuzz\.py)"),
)
"""Tests outside of these stay together by module."""

FIRST = (
    "tests/image/test_building.py",
    "tests/integration/inference/",
    "tests/integration/files/",
    "tests/image/test_deployments.py",
    "tests/integration/",
    "tests/image/",
    "tests/deploy/",
)
"""Where tests take long, longest first; while one worker builds the image, the other does without it."""


def unit(nodeid: str) -> str:
    """The name of the tests that are run by one worker, one after the other, to which this test belongs."""
    for number, pattern in enumerate(TOGETHER):
        if found := pattern.match(nodeid):
            return f"{number} {found.groups()}"
    return nodeid.partition("::")[0]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put units in their order; within a unit, tests stay in the order that they have."""
    ranks: dict[str, tuple[int, int]] = {}
    for position, item in enumerate(items):
        rank = next((rank for rank, start in enumerate(FIRST) if item.nodeid.startswith(start)), len(FIRST))
        name = unit(item.nodeid)
        ranks[name] = min(ranks.get(name, (rank, position)), (rank, position))
    items.sort(key=lambda item: ranks[unit(item.nodeid)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> "Units":
    """Give workers units."""
    return Units(config, log)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: pytest.ExitCode, config: pytest.Config
) -> None:
    """Say how to hear what workers keep to themselves: that a path or a name is not there."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and config.getoption("numprocesses", None):
        terminalreporter.write_line("no test was found; with -n0 pytest says why", red=True)


class Units(LoadScopeScheduling):
    """Gives each worker the next unit as soon as it is nearly done with the last."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)
