"""Provenance, run config and file mode checks."""

import os
import subprocess
from pathlib import Path

import pytest

from builder import progress, provenance, run_configs
from builder.errors import RunConfigError

PROJECT = """\
[project]
name = "demo"
version = "1.2"
description = "A demo"
license = "MIT"
[project.urls]
Source = "https://code.test/demo"
"""


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.test"]
    environment = {"GIT_COMMITTER_DATE": "2026-01-02T03:04:05+02:00", "PATH": "/usr/bin:/bin:/usr/local/bin"}
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, env=environment, capture_output=True)


def test_labels_come_from_the_project_and_the_commit(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    _git(tmp_path, "init")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-m", "one")
    found = provenance.read(tmp_path)
    labels = found.labels()
    assert labels["org.opencontainers.image.version"] == "1.2"
    assert labels["org.opencontainers.image.source"] == "https://code.test/demo"
    assert labels["org.opencontainers.image.created"] == "2026-01-02T01:04:05Z"
    assert len(labels["org.opencontainers.image.revision"]) == 40
    (tmp_path / "untracked").touch()
    assert provenance.read(tmp_path) == found
    (tmp_path / "pyproject.toml").write_text(PROJECT + "# changed\n")
    assert provenance.read(tmp_path).revision == found.revision + "-dirty"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with one commit."""
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PROJECT)
    _git(folder, "init")
    _git(folder, "add", ".")
    _git(folder, "commit", "-m", "one")
    return folder


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user was warned of."""
    said: list[str] = []
    monkeypatch.setattr(progress, "warn", said.append)
    return said


def test_a_clone_of_another_user_has_the_same_commit(clone: Path, warnings: list[str]) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    found = provenance.read(clone)
    index = (clone / ".git" / "index").stat()
    for path in (clone, *clone.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    (clone / "pyproject.toml").touch()  # git would note in its index that nothing has changed
    assert provenance.read(clone) == found
    assert len(found.revision) == 40
    assert (clone / ".git" / "index").stat().st_ino == index.st_ino, "an index of ours in a clone of theirs"
    assert warnings == []


def test_a_clone_whose_commit_cannot_be_read_is_said(clone: Path, warnings: list[str]) -> None:
    (clone / ".git" / "HEAD").unlink()
    assert provenance.read(clone).revision == provenance.read(clone).revision == ""
    (warning,) = warnings
    assert f"the commit of {clone} is not known" in warning
    assert "another digest" in warning
    assert "not a git repository" in warning


def test_a_machine_without_git_is_said(clone: Path, warnings: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(clone))
    assert provenance.read(clone).revision == ""
    (warning,) = warnings
    assert "No such file or directory: 'git'" in warning


def test_another_clone_is_not_asked(clone: Path, warnings: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    archive = clone / "vendored"
    archive.mkdir()
    (archive / "pyproject.toml").write_text(PROJECT)
    assert provenance.read(archive).revision == "", "a release archive in a clone of something else"
    found = provenance.read(clone)
    monkeypatch.setenv("GIT_DIR", str(archive))
    assert provenance.read(clone) == found, "as in a hook of another clone"
    assert warnings == []


def test_a_release_archive_without_git_builds_too(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    labels = provenance.read(tmp_path).labels()
    assert "org.opencontainers.image.revision" not in labels
    assert labels["org.opencontainers.image.created"] == "2025-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"apis: [a\nb: c\n", ":2: is not YAML"),
        (b"- a list\n", "a mapping"),
        (b"", "a mapping"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"a: !!python/object:os.system {}\n", ":1: is not YAML"),
    ],
)
def test_a_run_config_that_is_no_yaml_is_refused_with_the_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(content)
    with pytest.raises(RunConfigError) as caught:
        run_configs.check(path)
    assert message in caught.value.message
    assert caught.value.exit_code == 78


def test_a_run_config_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunConfigError, match=r"absent.yaml: cannot be read"):
        run_configs.check(tmp_path / "absent.yaml")
