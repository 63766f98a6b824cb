"""The version in manifests: the chart's appVersion, the label, and the tag of an image that has no registry yet."""

import re
from collections.abc import Iterator
from pathlib import Path

_VERSION = re.compile(
    r"^( *(?:appVersion: |app\.kubernetes\.io/version: |image: llama-stack:)| *newName: llama-stack\n *newTag: )"
    r"\d+(?:\.\d+)+\S*$",
    re.MULTILINE,
)


def with_version(text: str, version: str) -> str:
    """Put `version` in the place of the one that a manifest names. Images with names of their own keep theirs."""
    return _VERSION.sub(rf"\g<1>{version}", text)


def files(folder: Path) -> Iterator[Path]:
    """Yield the manifests below a folder that name a version."""
    for path in sorted(folder.rglob("*.yaml")):
        if _VERSION.search(path.read_text(encoding="utf-8")):
            yield path
