"""The Containerfile says what the default path says, and its context holds the image's layers."""

import json
import re
from pathlib import Path

from builder import containerfile, paths, payload, platforms
from builder.debian.debian_base import DebianBase
from builder.image import entries, oci
from builder.image.layers import BlobStore
from builder.image.oci import Settings


def _instructions() -> dict[str, str]:
    text = (paths.ROOT / containerfile.FILE).read_text().replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    return {word: rest for word, rest in lines if word != "ADD"}


def test_the_settings_are_those_of_the_default_path() -> None:
    said = _instructions()
    variables = dict(pair.split("=", 1) for pair in said["ENV"].split())
    assert variables == DebianBase(()).environment | payload.ENVIRONMENT
    assert json.loads(said["ENTRYPOINT"]) == list(payload.ENTRYPOINT)
    assert (said["USER"], said["EXPOSE"], said["FROM"]) == (payload.USER, str(payload.PORT), "scratch")


def test_the_context_is_the_layers_of_the_last_image(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "blobs")
    settings = Settings("1001:0", ("python",), {}, 8321)
    for names in (["base", "torch", "config"], ["base", "scipy", "wheels", "distribution", "config"]):
        layers = [store.layer(name, name, lambda name=name: [entries.file(name, b"x")]) for name in names]  # type: ignore[misc]
        image = oci.assemble(store, platforms.AMD64, layers, settings)
        containerfile.lay_out(image, store)
    found = {path.relative_to(paths.CONTEXT).as_posix() for path in paths.CONTEXT.rglob("*.gz")}
    assert found == {f"{name}.tar.gz" for name in ("base", "wheels/scipy", "wheels/wheels", "distribution", "config")}
    added = re.findall(r"^ADD build/containerfile/(\S+) /$", (paths.ROOT / containerfile.FILE).read_text(), re.M)
    assert all(list(paths.CONTEXT.glob(pattern)) for pattern in added)
    assert {path for pattern in added for path in paths.CONTEXT.glob(pattern)} == set(paths.CONTEXT.rglob("*.gz"))


def test_nothing_else_goes_to_the_engine() -> None:
    assert (paths.ROOT / ".dockerignore").read_text() == "*\n!build/containerfile\n"
