"""What the kit itself puts into an image: its code and the two configs, all below /opt/llama-stack."""

import os
from collections.abc import Iterator
from pathlib import Path

from builder import paths
from builder.image import entries
from builder.image.entries import Entry, Kind
from builder.manifest import Manifest

HOME = "opt/llama-stack"
PORT = 8321
DATA = "data"
USER = "1001:0"
PATH_FILE = "llama-stack-distribution.pth"

ENVIRONMENT = {
    # `~/.llama` is then /.llama, a link to /data, whatever the uid.
    "HOME": "/",
    "LLAMA_STACK_CONFIG_DIR": f"/{DATA}",
    "XDG_CACHE_HOME": f"/{DATA}/cache",
    "LANG": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""The image's environment. It names no run config and no database: those are for a deployment to choose."""

ENTRYPOINT = ("python", "-m", "distribution")


def code(site_packages: str) -> Iterator[Entry]:
    """The code, the path file that makes every Python know it, and the state directory."""
    yield from entries.directories_to(HOME, site_packages)
    for package in ("distribution", "formats", "providers"):
        for entry in entries.below(paths.ROOT, package):
            if entry.kind is Kind.DIRECTORY and not entry.path.endswith("__pycache__"):
                yield entries.directory(f"{HOME}/{entry.path}")
            elif entry.path.endswith((".py", "/advisories.yaml")):
                yield entries.file(f"{HOME}/{entry.path}", entry.content)
    relative = os.path.relpath(f"/{HOME}", f"/{site_packages}")  # also right in a tree that lies elsewhere
    yield entries.file(f"{site_packages}/{PATH_FILE}", f"{relative}\nimport distribution.hooks\n".encode())
    yield entries.directory(DATA, 0o775, user=1001)
    yield entries.link(".llama", f"/{DATA}")


def configs(manifest: Manifest, run_config: Path) -> Iterator[Entry]:
    """The manifest and the default run config."""
    yield entries.file(f"{HOME}/distribution/build.yaml", manifest.text.encode())
    yield entries.file(f"{HOME}/run.yaml", run_config.read_bytes())
