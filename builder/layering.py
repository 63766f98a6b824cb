"""Cut a staged tree into layers: what changes often comes last and is small.

base, one layer for each heavy wheel, the other wheels, the kit's own code, the configs. After a change to
run.yaml only the last layer is new; after one dependency moved, only the layer that holds it.
"""

import hashlib
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from builder import payload
from builder.image.entries import Entry, Kind
from builder.image.layers import BlobStore, Layer
from builder.manifest import Manifest
from builder.stage import Stage, own_digest
from builder.wheels import Wheel

HEAVY_BYTES = 16_000_000
"""A distribution of this size, without bytecode, gets a layer of its own."""

OTHER = "wheels"

ON_TOP = ("distribution", "config")
"""The layers of what is laid on top of a stage anew for each build."""

FIXED = ("base", *ON_TOP)
"""The layers that every image has once; all others hold wheels."""


def layers_of(stage: Stage, store: BlobStore, manifest: Manifest, run_config: Path) -> list[Layer]:
    """The layers of the image, lowest first. Layers made earlier from the same content are used again.

    The kit's code and the configs are laid into the stage on the way, so that it holds what the image holds.
    """
    code, configs = complete(stage, manifest, run_config)
    return [
        *stage.base.layers(store, own_digest(), lambda: stage.bytecode(stage.base.standard_library)),
        *_wheel_layers(stage, store),
        store.layer("distribution", _key(code), lambda: [*code, *stage.bytecode(payload.HOME)]),
        store.layer("config", _key(configs), lambda: configs),
    ]


def complete(stage: Stage, manifest: Manifest, run_config: Path) -> tuple[list[Entry], list[Entry]]:
    """Lay the kit's code and the configs into a stage and return both."""
    code = list(payload.code(stage.base.site_packages))
    configs = list(payload.configs(manifest, run_config))
    stage.lay_on_top(payload.HOME, [*code, *configs])
    return code, configs


def _wheel_layers(stage: Stage, store: BlobStore) -> Iterator[Layer]:
    wheels = stage.wheels()
    groups: dict[str, list[Wheel]] = defaultdict(list)
    for wheel in wheels:
        groups[wheel.name if wheel.size >= HEAVY_BYTES else OTHER].append(wheel)
    contents: dict[str, list[Entry]] | None = None

    def content(name: str) -> list[Entry]:
        nonlocal contents
        if contents is None:  # walking the tree takes a second: only if some layer is new
            contents = _by_group(stage, groups)
        return contents[name]

    for name in sorted(groups, key=lambda group: (group == OTHER, group)):
        versions = " ".join(f"{wheel.name}=={wheel.version}" for wheel in groups[name])
        base = stage.base
        place = f"{base.python} -> {base.interpreter} {base.site_packages}"
        key = f"{versions} {stage.platform.name} python{base.python_version} {place} {own_digest()}"
        yield store.layer(name, key, lambda name=name: content(name))  # type: ignore[misc]


def _by_group(stage: Stage, groups: dict[str, list[Wheel]]) -> dict[str, list[Entry]]:
    """The installed files and links of each group."""
    site = stage.base.site_packages
    owner: dict[str, str] = {}
    for name, wheels in groups.items():
        for wheel in wheels:
            for recorded in wheel.files:
                owner[posixpath.normpath(f"{site}/{recorded}")] = name
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in stage.installed():
        if entry.kind is not Kind.DIRECTORY and entry.path != f"{site}/{payload.PATH_FILE}":
            found[owner.get(_source(entry.path), OTHER)].append(entry)
    return found


def _source(path: str) -> str:
    """The recorded file that a path belongs to: a `.pyc` belongs to its `.py`."""
    folder, name = path.rsplit("/", 1)
    if folder.endswith("/__pycache__"):
        return f"{folder.removesuffix('/__pycache__')}/{name.split('.', 1)[0]}.py"
    return path


def _key(wanted: Iterable[Entry]) -> str:
    digest = hashlib.sha256(own_digest().encode())
    for entry in wanted:
        content = entry.read()
        fields = (
            entry.path,
            entry.kind.value,
            entry.mode,
            entry.target,
            entry.user,
            entry.group,
            len(content),
        )
        digest.update(repr(fields).encode() + content)
    return digest.hexdigest()
