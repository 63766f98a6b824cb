"""What an image says of its origin: the project's version and the commit it was built from.

Taken from pyproject.toml and the commit itself, never from the clone (its path, remote or clock), so that
two builds of one commit agree.
"""

import subprocess
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from builder import paths
from builder.image.layers import TIME


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


def of(root: Path = paths.ROOT) -> Provenance:
    """The provenance of an image built from the clone at `root`."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    commit = _git(root, "log", "-1", "--format=%H %ct").split()
    revision, seconds = (commit[0], int(commit[1])) if len(commit) == 2 else ("", TIME)
    if revision and _git(root, "status", "--porcelain", "--untracked-files=no"):
        revision += "-dirty"
    return Provenance(
        title=project["name"],
        description=project["description"],
        version=project["version"],
        licenses=project["license"],
        source=project.get("urls", {}).get("Source", ""),
        revision=revision,
        created=datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _git(root: Path, *arguments: str) -> str:
    """What git answers; empty if there is no git, or no clone (a release archive)."""
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
