"""Where everything lies. All that the kit makes is under `.venv/`, `build/` and `dist/` of the clone, or of another
place that `--build-dir` or LLAMA_STACK_BUILD_DIR names.

Runs on Python 3.9, since the kit's environment is made with these paths.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

WINDOWS = os.name == "nt"

ROOT = Path(__file__).resolve().parent.parent
PLACE = Path(os.environ.get("LLAMA_STACK_BUILD_DIR") or ROOT).absolute()
"""What `.venv/`, `build/` and `dist/` are in."""
ELSEWHERE = "name another place: --build-dir DIR, or LLAMA_STACK_BUILD_DIR=DIR"
"""What to do where that cannot be written."""

BUILD_CONFIG = ROOT / "distribution" / "build.yaml"
RUN_CONFIG = ROOT / "run.yaml"
PYPROJECT = ROOT / "pyproject.toml"

REQUIREMENTS = ROOT / "requirements"
IMAGE_INPUTS = REQUIREMENTS / "image.in"
IMAGE_LOCK = REQUIREMENTS / "image.lock"
LEFT_OUT = REQUIREMENTS / "left-out.txt"
LEFT_OUT_FILES = REQUIREMENTS / "left-out-files.txt"
WITH_INPUTS = REQUIREMENTS / "with.in"
SDISTS = REQUIREMENTS / "sdists.in"
SDISTS_LOCK = REQUIREMENTS / "sdists.lock"
PROVIDERS = REQUIREMENTS / "providers.yaml"
DEBIAN_INPUTS = REQUIREMENTS / "debian.in"
DEBIAN_LOCK = REQUIREMENTS / "debian.lock"
ACCEPTED_ADVISORIES = REQUIREMENTS / "accepted-advisories.yaml"
DEBIAN_KEYS = REQUIREMENTS / "debian-archive-keys.gpg"

ENVIRONMENT = PLACE / ".venv"
BUILD = PLACE / "build"
DOWNLOADS = BUILD / "downloads"
STAGES = BUILD / "stages"
BLOBS = BUILD / "blobs"
LOCKS = BUILD / "locks"
VERDICTS = BUILD / "verdicts"
CONTEXT = BUILD / "containerfile"
REGISTRIES = BUILD / "registries"
DIST = PLACE / "dist"


def home() -> Optional[Path]:
    """The user's home directory; None for a uid that has no account and no HOME, as containers give them."""
    folder = os.path.expanduser("~")
    return None if folder == "~" else Path(folder)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file and the folders above it. It is there with all its content or as it was before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.part")
    try:
        draft.write_bytes(content if isinstance(content, bytes) else content.encode())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def shown(path: Path) -> str:
    """The path as a message should show it: relative to where the user stands if it lies below."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
