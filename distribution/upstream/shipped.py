"""The providers this image ships, as its manifest names them."""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import yaml

MANIFEST = Path(__file__).resolve().parents[1] / "build.yaml"


@dataclass(frozen=True, order=True)
class ShippedProvider:
    """One provider type of one API; an external provider has its Python package in `module`."""

    api: str
    provider_type: str
    module: str | None = None


def shipped_providers(manifest: Path = MANIFEST) -> list[ShippedProvider]:
    """Read the manifest, an upstream build config, in its own order."""
    document = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    return [
        ShippedProvider(api, entry["provider_type"], _package(entry.get("module")))
        for api, entries in document["distribution_spec"]["providers"].items()
        for entry in entries
    ]


@cache
def shipped_module(api: str, provider_type: str) -> str | None:
    """Return the package of an external provider that this image ships, so that configs need not name it."""
    for provider in shipped_providers():
        if (provider.api, provider.provider_type) == (api, provider_type):
            return provider.module
    return None


def as_table(providers: list[ShippedProvider]) -> str:
    """Return one line per provider in aligned columns, with a heading."""
    width = max(len("API"), *(len(provider.api) for provider in providers))
    rows = [f"{'API':{width}}  PROVIDER TYPE"]
    rows += [f"{provider.api:{width}}  {provider.provider_type}" for provider in providers]
    return "\n".join(rows)


def as_json(providers: list[ShippedProvider]) -> str:
    """Return a JSON list of objects with the keys api, provider_type and module."""
    return json.dumps([asdict(provider) for provider in providers], indent=2)


def _package(module: str | None) -> str | None:
    return module.partition("==")[0] if module else None
