"""What is pushed is what was built with the tag."""

from pathlib import Path

import pytest

from builder import cli, paths, tags
from tests.support import small_image

NOBODY = "127.0.0.1:9"
"""Where no registry is, so that a push that is not refused before says so."""


@pytest.fixture
def dist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of archives of the test's own."""
    monkeypatch.setattr(paths, "DIST", tmp_path)
    return tmp_path


def test_an_archive_with_another_image_is_never_pushed(dist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted, other = f"{NOBODY}/team/llama:1", f"{NOBODY}/team-llama:1"
    small_image.write(dist, other, layers={"base": 10}).path.rename(dist / tags.parse(wanted).file_name)
    assert cli.run(["push", "--tag", wanted, "--no-verify", "--plain-http"]) == 1
    said = capsys.readouterr().err
    assert f"holds {other}, not {wanted}" in said
    assert f"python build.py --tag {wanted}" in said


def test_the_archive_of_the_tag_is_and_so_is_one_that_was_named(dist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tag = f"{NOBODY}/team/llama:1"
    image = small_image.write(dist, tag, layers={"base": 10})
    assert image.name == tag
    for line in (["--tag", tag], ["--tag", f"{NOBODY}/other:2", "--archive", str(image.path)]):
        assert cli.run(["push", *line, "--no-verify", "--plain-http"]) == 69
        assert "Connection refused" in capsys.readouterr().err
