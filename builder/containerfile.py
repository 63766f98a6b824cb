"""What the Containerfile adds up: the image's layers as files in build/containerfile/, its build context.

The context is the folder that build/ is in, so a build elsewhere than in the clone takes the Containerfile along.
"""

import os
import shutil
from pathlib import Path

from builder import layering, paths
from builder.image.layers import BlobStore
from builder.image.oci import Image

FILE = "Containerfile"
_IGNORED = ".dockerignore"


def lay_out(image: Image, store: BlobStore) -> None:
    """Replace the context by the layers of this image; they take no room of their own. It holds them all or none."""
    draft = paths.CONTEXT.with_name(f".{paths.CONTEXT.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        (draft / layering.OTHER).mkdir(parents=True)
        for layer in image.layers:
            folder = draft if layer.name in layering.FIXED else draft / layering.OTHER
            _link(store.path(layer.digest), folder / f"{layer.name}.tar.gz")
        shutil.rmtree(paths.CONTEXT, ignore_errors=True)
        draft.rename(paths.CONTEXT)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    if paths.PLACE != paths.ROOT:
        for name in (FILE, _IGNORED):
            shutil.copyfile(paths.ROOT / name, paths.PLACE / name)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)
