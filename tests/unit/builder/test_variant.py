"""Resolutions for `--with`: what they are kept by."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder import image_lock, network, paths, variant
from builder.manifest import Manifest, Provider
from builder.provider_types import ProviderTypes
from tests.support import package_index
from tests.support.package_index import Index

ADDED = Provider("inference", "inline::demo")
CATALOGUE = ProviderTypes({"inference": {"inline::demo": {"pip_packages": ["demo"]}}})
SHIPPED = Manifest((), "")


@pytest.fixture
def index() -> Iterator[Index]:
    with package_index.serve(package_index.wheel("demo", "1.0")) as running:
        yield running


@pytest.fixture(autouse=True)
def an_empty_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The kit's own lock is one of no packages, and pip has no settings."""
    for name in ("IMAGE_INPUTS", "LEFT_OUT", "WITH_INPUTS", "SDISTS"):
        monkeypatch.setattr(paths, name, tmp_path / name)
        (tmp_path / name).touch()
    monkeypatch.setattr(paths, "IMAGE_LOCK", tmp_path / "image.lock")
    (tmp_path / "image.lock").write_text(f"# inputs: sha256:{image_lock.inputs([], CATALOGUE).digest}\n")
    monkeypatch.setattr(network, "pip", lambda: network.Pip([], {}))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    # An empty cache knows no interpreter, and uv asks all on PATH, which takes seconds.
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    monkeypatch.chdir(tmp_path)


def _resolved() -> dict[str, str]:
    return variant.lock_for(Manifest((ADDED,), ""), SHIPPED, CATALOGUE).versions


def test_a_resolution_is_used_again(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.address)
    assert _resolved() == {"demo": "1.0"}
    asked = len(index.requests)
    assert _resolved() == {"demo": "1.0"}
    assert len(index.requests) == asked > 0


def test_another_index_is_asked_anew(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.address)
    assert _resolved() == {"demo": "1.0"}
    with package_index.serve(package_index.wheel("demo", "1.0+cpu")) as cpu:
        monkeypatch.setenv("UV_INDEX", cpu.address)
        monkeypatch.setenv("UV_INDEX_STRATEGY", "unsafe-best-match")
        assert _resolved() == {"demo": "1.0+cpu"}
    monkeypatch.delenv("UV_INDEX")
    monkeypatch.delenv("UV_INDEX_STRATEGY")
    assert _resolved() == {"demo": "1.0"}
