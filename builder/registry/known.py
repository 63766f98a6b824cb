"""Which repositories of a registry hold which blobs, as far as this clone has seen.

A registry can take a blob over from another repository of its own; it only wants to be told which.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from builder import paths

KEPT = 1000
"""How many blobs are remembered for a registry; older ones are forgotten."""


def holder(host: str, digest: str) -> str | None:
    """A repository of the registry that holds the blob."""
    return _read(_file(host)).get(digest)


def remember(host: str, repository: str, digests: Iterable[str]) -> None:
    """Note that a repository holds these blobs."""
    held = _read(_file(host))
    for digest in digests:
        held.pop(digest, None)
        held[digest] = repository
    paths.write_whole(_file(host), json.dumps(dict(list(held.items())[-KEPT:])))


def _file(host: str) -> Path:
    return paths.REGISTRIES / f"{host.replace(':', '-').strip('[]')}.json"


def _read(file: Path) -> dict[str, str]:
    try:
        held: dict[str, str] = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return held
