"""The image's config, and the archive as other people's tools read it."""

import json
import subprocess
import tomllib
from pathlib import Path

from builder import paths
from tests.support.image import TAG, BuiltImage
from tests.support.process import installed


def test_it_says_how_to_run_it(built: BuiltImage) -> None:
    config = built.config["config"]
    environment = dict(item.split("=", 1) for item in config["Env"])
    assert config["User"] == "1001:0"
    assert config["Entrypoint"] == ["python", "-m", "distribution"]
    assert config["ExposedPorts"] == {"8321/tcp": {}}
    assert not {"RUN_CONFIG_PATH", "LLAMA_STACK_CONFIG", "SQLITE_STORE_DIR"} & environment.keys()
    assert "/usr/local/bin" in environment["PATH"].split(":")


def test_it_says_where_it_comes_from(built: BuiltImage) -> None:
    labels = built.config["config"]["Labels"]
    version = tomllib.loads(paths.PYPROJECT.read_text())["project"]["version"]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=paths.ROOT, capture_output=True, text=True, check=True)
    assert labels["org.opencontainers.image.version"] == version
    assert labels["org.opencontainers.image.revision"].removesuffix("-dirty") == commit.stdout.strip()
    assert labels["org.opencontainers.image.created"] == built.config["created"]
    assert labels["org.opencontainers.image.source"].startswith("https://")


def test_state_has_one_place_and_any_member_of_group_0_may_write_there(built: BuiltImage, tmp_path: Path) -> None:
    bundle = _umoci(built, tmp_path)
    owner = json.loads((bundle / "config.json").read_text())["process"]["user"]
    assert (owner["uid"], owner["gid"]) == (1001, 0)
    data = (bundle / "rootfs/data").stat()
    assert data.st_mode & 0o777 == 0o775
    assert (bundle / "rootfs/.llama").readlink() == Path("/data")


def test_skopeo_reads_it_and_agrees_on_the_digest(built: BuiltImage) -> None:
    skopeo = installed("skopeo", "apt-get install skopeo")
    done = subprocess.run(
        [skopeo, "inspect", f"oci-archive:{built.archive}"], capture_output=True, text=True, check=True
    )
    inspected = json.loads(done.stdout)
    assert inspected["Digest"] == built.digest
    assert inspected["Architecture"] == built.config["architecture"]
    assert len(inspected["Layers"]) == len(built.config["rootfs"]["diff_ids"])


def test_the_configs_are_the_last_and_smallest_layer(built: BuiltImage, tmp_path: Path) -> None:
    names = [item["created_by"] for item in built.config["history"]]
    assert names[0] == "base"
    assert names[-3:] == ["wheels", "distribution", "config"]
    layout = _layout(built, tmp_path)
    manifest = json.loads((layout / "blobs" / built.digest.replace(":", "/")).read_text())
    sizes = dict(zip(names, (layer["size"] for layer in manifest["layers"]), strict=True))
    assert sizes["config"] < 100_000


def test_the_tag_is_in_it(built: BuiltImage, tmp_path: Path) -> None:
    layout = _layout(built, tmp_path)
    assert json.loads((layout / "manifest.json").read_text())[0]["RepoTags"] == [TAG]


def _layout(built: BuiltImage, folder: Path) -> Path:
    layout = folder / "layout"
    layout.mkdir()
    subprocess.run(["tar", "-xf", built.archive, "-C", layout], check=True)
    return layout


def _umoci(built: BuiltImage, folder: Path) -> Path:
    umoci = installed("umoci", "apt-get install umoci")
    layout, bundle = _layout(built, folder), folder / "bundle"
    tag = TAG.partition(":")[2]
    subprocess.run([umoci, "unpack", "--rootless", "--image", f"{layout}:{tag}", bundle], check=True)
    return bundle
