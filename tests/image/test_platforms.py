"""One index for two processors, the other one's image built here without emulation."""

import gzip
import io
import json
import tarfile

import pytest

from builder import paths, platforms
from builder.image.written import WrittenImage
from tests.support import image
from tests.support.image import BuiltImage

BOTH = "linux/amd64,linux/arm64"


@pytest.fixture(scope="module")
def both(built: BuiltImage, tmp_path_factory: pytest.TempPathFactory) -> BuiltImage:
    """The image for both processors."""
    return image.build(paths.ROOT, tmp_path_factory.mktemp("both") / "image.tar", "--platform", BOTH)


def test_the_archive_names_this_machines_image_to_docker(both: BuiltImage, built: BuiltImage) -> None:
    found = WrittenImage(both.archive).platforms()
    assert set(found) == set(BOTH.split(","))
    here = built.result["images"][0]["platform"]
    assert found[here] == built.digest
    assert both.config == built.config


def test_every_native_file_is_for_the_other_processor(both: BuiltImage, built: BuiltImage) -> None:
    written = WrittenImage(both.archive)
    (other,) = [platform for platform in platforms.ALL if platform.name != built.result["images"][0]["platform"]]
    manifest = json.loads(written.read(written.platforms()[other.name]))
    natives, compiled = {}, 0
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(written.read(layer["digest"])))) as opened:
            for member in opened:
                content = opened.extractfile(member) if member.isfile() else None
                header = content.read(20) if content else b""
                compiled += member.name.endswith(".cpython-313.pyc")
                if header[:4] == b"\x7fELF":
                    natives[member.name] = int.from_bytes(header[18:20], "little")
    assert set(natives.values()) == {other.elf_machine}, natives
    assert "usr/bin/python3.13" in natives
    assert len(natives) > 300
    assert compiled > 5000


def test_both_have_the_same_packages(both: BuiltImage) -> None:
    written = WrittenImage(both.archive)
    lists: list[set[str]] = []
    for digest in written.platforms().values():
        config = json.loads(written.read(json.loads(written.read(digest))["config"]["digest"]))
        lists.append({item["created_by"] for item in config["history"]})
    assert {"base", "wheels", "distribution", "config"} <= lists[0] & lists[1]
