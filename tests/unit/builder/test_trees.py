"""The tree that serves an image: linked from its stage where that is there, else unpacked, and told which."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from builder import paths, payload, platforms, tags, trees
from builder.base import Base
from builder.image import archive, entries, oci
from builder.image.layers import BlobStore
from builder.stage import Stage
from tests.support.small_image import SETTINGS

CONFIG = f"{payload.HOME}/run.yaml"


@dataclass(frozen=True)
class Built:
    """An image of three layers, as a build leaves it."""

    archive: Path
    store: BlobStore
    stage: Path


@pytest.fixture
def built(own_build_folder: Path, tmp_path: Path) -> Built:
    """A build of an image, after which the next build has put another config into the stage."""
    store = BlobStore(paths.BLOBS)
    contents = {"wheels": ("usr/lib/wheel.py", b"wheel"), "distribution": ("data/a", b"a"), "config": (CONFIG, b"mine")}
    layers = [
        store.layer(name, "key", lambda path=path, content=content: [entries.file(path, content)])  # type: ignore[misc]
        for name, (path, content) in contents.items()
    ]
    image = oci.assemble(store, platforms.AMD64, layers, SETTINGS)
    target = tmp_path / "demo.tar"
    with archive.prepared(target, store, [image], tags.parse("demo:1"), image):
        stage = paths.STAGES / "amd64-0"
        entries.write_to_disk([entries.file(path, content) for path, content in contents.values()], stage)
        trees.remember(image, Stage(stage, platforms.AMD64, cast(Base, None), None))
    (stage / CONFIG).write_bytes(b"another")
    return Built(target, store, stage)


def _files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


EXPECTED = {"usr/lib/wheel.py": b"wheel", "data/a": b"a", CONFIG: b"mine"}


def test_a_stage_is_linked_with_the_images_own_config(built: Built, capsys: pytest.CaptureFixture[str]) -> None:
    root = trees.tree_of(built.archive, built.store)
    assert _files(root) == EXPECTED
    assert (root / "usr/lib/wheel.py").samefile(built.stage / "usr/lib/wheel.py")
    assert (built.stage / CONFIG).read_bytes() == b"another"
    assert trees.tree_of(built.archive, built.store) == root
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("lost", ["stages/amd64-0", "blobs", "staged"])
def test_without_its_stage_it_is_unpacked_once(
    built: Built, own_build_folder: Path, capsys: pytest.CaptureFixture[str], lost: str
) -> None:
    (own_build_folder / lost).rename(own_build_folder / "lost")
    root = trees.tree_of(built.archive, built.store)
    assert _files(root) == EXPECTED
    assert "unpacking" in capsys.readouterr().err
    assert trees.tree_of(built.archive, built.store) == root
    assert capsys.readouterr().err == ""
    assert not list((own_build_folder / "served").glob("*"))
