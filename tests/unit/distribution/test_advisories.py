"""The list of advisories says what the code and the locks do."""

import json
import re
from pathlib import Path

import pytest
from packaging.version import Version

from distribution.launch.command_line import main
from distribution.overlay.declaration import Change, all_changes
from distribution.upstream.advisories import Advisory, State, advisories
from maintenance import security_page

REPOSITORY = Path(__file__).parents[3]
ALL = advisories()
MENDED = {one.name for one in ALL if one.state is State.MENDED}
CHANGES = [one for one in all_changes() if one.advisory]
TESTED = {
    name
    for file in (REPOSITORY / "tests" / "security").glob("test_*.py")
    for name in re.findall(r'mark\.advisory\("([^"]+)"\)', file.read_text())
}
LOCKED = dict(re.findall(r"^([a-z0-9-]+)==([^ \\]+)", (REPOSITORY / "requirements/image.lock").read_text(), re.M))


def test_every_name_is_given_once() -> None:
    names = [one.name for one in ALL]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.target.partition(":")[2])
def test_a_change_names_an_advisory_that_is_mended(change: Change) -> None:
    assert change.advisory in MENDED


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_an_advisory_says_what_was_done(one: Advisory) -> None:
    if one.state is not State.MENDED:
        assert one.because
        assert not one.by
    else:
        assert one.by
        assert not one.because
        assert one.packages or one.name in TESTED, "no test in tests/security/ has its mark"
    assert one.upstream or not one.fixed_in


def test_every_test_is_of_an_advisory_that_is_mended() -> None:
    assert TESTED <= MENDED


@pytest.mark.parametrize(
    ("package", "version"), [pair for one in ALL for pair in one.packages.items()], ids=lambda value: value
)
def test_a_package_is_locked_with_the_mend(package: str, version: str) -> None:
    assert Version(LOCKED[package]) >= Version(version)


def test_the_page_has_them_all() -> None:
    page = security_page.PAGE.read_text()
    assert page == security_page.page(page), "run: .venv/bin/python -m maintenance.security_page"


def test_the_command_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advisories"]) == 0
    text = capsys.readouterr().out
    assert "template-injection: mended (llamastack/llama-stack#5549)" in text
    assert main(["advisories", "--json"]) == 0
    assert {one["name"] for one in json.loads(capsys.readouterr().out)} == {one.name for one in ALL}
