"""The file tree of an image that was built here, for a machine that serves it without an engine.

A build leaves the tree of base and wheels in its stage. To serve the image it is linked, which takes a second; only
the kit's code and the configs, which the next build of another config replaces in the stage, come from their layers.
Where the stage is gone, all layers of the archive are unpacked.
"""

import json
import os
import shutil
from pathlib import Path

from builder import layering, paths, payload, progress
from builder.image import unpack
from builder.image.layers import BlobStore
from builder.image.oci import Image
from builder.image.unpack import LayerError
from builder.stage import Stage


def remember(image: Image, staged: Stage) -> None:
    """Note which stage holds the base and the wheels of an image, and which layers lie on them."""
    top = [layer.digest for layer in image.layers if layer.name in layering.ON_TOP]
    note = json.dumps({"stage": staged.root.name, "top": top})
    paths.write_whole(_note(image.config_digest.partition(":")[2]), note)


def tree_of(archive: Path, store: BlobStore) -> Path:
    """The root of the archived image's tree. Raises UserFileError if it is no archive."""
    for name in ("served", "unpacked"):
        if (root := unpack.root_of(archive, paths.BUILD / name)).is_dir():
            return root
    linked = unpack.root_of(archive, paths.BUILD / "served")
    if _link(linked, store):
        return linked
    progress.err.print(f"no engine answers and no stage holds this image: unpacking {paths.shown(archive)}, once")
    with progress.step("unpack", paths.shown(archive)):
        return unpack.archive(archive, paths.BUILD / "unpacked")


def _link(root: Path, store: BlobStore) -> bool:
    """Make the tree from its stage; False if that is not to be had, or is being replaced by a build."""
    draft = root.with_name(f".{root.name}.part")
    try:
        note = json.loads(_note(root.name).read_text(encoding="utf-8"))
        shutil.copytree(paths.STAGES / note["stage"], draft, symlinks=True, copy_function=os.link)
        shutil.rmtree(draft / payload.HOME)
        for layer in note["top"]:
            with store.path(layer).open("rb") as content:
                unpack.layer(content, draft, layer)
        draft.rename(root)
    except (OSError, shutil.Error, LayerError):
        return False
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return True


def _note(config: str) -> Path:
    """Where the stage of an image is noted, by the digest of its config or the beginning of it."""
    return paths.BUILD / "staged" / f"{config[:16]}.json"
