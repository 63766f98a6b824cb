"""What an image says of its origin: the project's version and the commit it was built from.

Taken from pyproject.toml and the commit itself, never from the clone (its path, remote or clock), so that
two builds of one commit agree.
"""

import functools
import os
import subprocess
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from builder import paths, progress
from builder.image.layers import TIME

_OTHER_CLONES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_NAMESPACE",
)
"""What git's hooks set for the programs that they start: it would lead git elsewhere."""


@dataclass(frozen=True)
class Provenance:
    """Where an image comes from."""

    title: str
    description: str
    version: str
    licenses: str
    source: str
    revision: str
    """The commit, with `-dirty` behind it if tracked files differ from it; empty outside a git clone."""
    created: str
    """The commit's time, RFC 3339."""

    def labels(self) -> dict[str, str]:
        """The `org.opencontainers.image.*` labels, without empty ones."""
        labels = {
            "title": self.title,
            "description": self.description,
            "version": self.version,
            "licenses": self.licenses,
            "source": self.source,
            "revision": self.revision,
            "created": self.created,
        }
        return {f"org.opencontainers.image.{name}": value for name, value in labels.items() if value}


def read(root: Path = paths.ROOT) -> Provenance:
    """The provenance of an image built from the clone at `root`."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    revision, seconds = _commit(root)
    return Provenance(
        title=project["name"],
        description=project["description"],
        version=project["version"],
        licenses=project["license"],
        source=project.get("urls", {}).get("Source", ""),
        revision=revision,
        created=datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _commit(root: Path) -> tuple[str, int]:
    """The clone's commit, `-dirty` if tracked files differ from it, and its time in seconds.

    Without a clone (a release archive) the commit is empty. A clone whose commit cannot be read is the same, and said.
    """
    if not (root / ".git").exists():
        return "", TIME
    try:
        commit, seconds = _git(root, "log", "-1", "--format=%H %ct").split()
        is_dirty = bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError) as error:
        why = (getattr(error, "stderr", None) or str(error)).strip()
        _warn(
            f"the commit of {root} is not known, so the image names none and has another digest than elsewhere: {why}"
        )
        return "", TIME
    return f"{commit}-dirty" if is_dirty else commit, int(seconds)


@functools.cache
def _warn(message: str) -> None:
    """Said once, however many images are built."""
    progress.warn(message)


def _git(root: Path, *arguments: str) -> str:
    """What git answers about this very clone, whoever owns it.

    git refuses another user's clone because its settings may name programs to run. Here they can do no more than the
    clone's build.py, which runs already. Git before 2.38 refuses all the same and says which setting allows it.
    """
    command = ["git", "-C", str(root), "-c", "safe.directory=*", "-c", "core.fsmonitor=false", *arguments]
    inherited = {name: value for name, value in os.environ.items() if name not in _OTHER_CLONES}
    reading = {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}  # or the owner would find an index that is not theirs
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=inherited | reading)
    return done.stdout.strip()
