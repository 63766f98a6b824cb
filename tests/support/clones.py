"""Copies of this clone, whose state is their own."""

import shutil
from pathlib import Path

from builder import paths

_MADE_HERE = (".venv", "build", "dist", "__pycache__", ".*_cache", ".hypothesis")


def copy(target: Path, *, history: bool = False, environment: bool = False) -> Path:
    """Copy the clone to `target` without what was made in it.

    With `history` it knows its commit, which an image's labels name; with `environment` it shares this clone's .venv.
    """
    left_out = _MADE_HERE if history else (".git", *_MADE_HERE)
    shutil.copytree(paths.ROOT, target, ignore=shutil.ignore_patterns(*left_out), symlinks=True)
    if environment:
        (target / ".venv").symlink_to(paths.ENVIRONMENT)
    return target
