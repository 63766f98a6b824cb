"""Small llama-stacks, written for one test each."""

from collections.abc import Callable
from pathlib import Path

import pytest

from maintenance.sources import Sources

MakeSources = Callable[[dict[str, str]], Sources]


@pytest.fixture
def make_sources(tmp_path: Path) -> MakeSources:
    """Write modules, dotted name -> code, and return them as the sources of a llama-stack."""
    trees: list[Path] = []

    def make(modules: dict[str, str]) -> Sources:
        folder = tmp_path / f"tree-{len(trees)}"
        trees.append(folder)
        for name, code in modules.items():
            path = folder.joinpath(*name.split(".")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code, encoding="utf-8")
        return Sources(folder)

    return make
