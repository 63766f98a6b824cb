"""What a user of stock llama-stack would write for the providers of this distribution."""

from typing import Any

import yaml

from builder import catalogue as catalogues
from builder import manifest, paths, pin
from builder.catalogue import Catalogue

CONSTRAINTS = (f"llama-stack=={pin.llama_stack()}", f"llama-stack-client=={pin.llama_stack()}", "mcp<2")
"""Without the last two, the pinned llama-stack does not start with the newest packages."""
OUR_TYPES = ("inline::files", "inline::prompts", "remote::s3-files")
"""What providers/registry adds under names of its own."""
LOCAL_FILES = {
    "provider_id": "localfs",
    "provider_type": "inline::localfs",
    "config": {
        "storage_dir": "/data/files",
        "metadata_store": {"backend": "sql_default", "table_name": "files_metadata"},
    },
}


def build_config() -> str:
    """The build config of the shipped providers, as far as upstream knows their types."""
    catalogue = catalogues.load()
    shipped = manifest.load(paths.BUILD_CONFIG, catalogue)
    providers: dict[str, list[dict[str, str]]] = {}
    for provider in shipped.providers:
        if provider.module or provider.provider_type in _types(provider.api, catalogue):
            entry = {"provider_type": provider.provider_type}
            providers.setdefault(provider.api, []).append(
                entry | ({"module": provider.module} if provider.module else {})
            )
    return yaml.safe_dump(
        {
            "version": 2,
            "distribution_spec": {"description": "stock", "providers": providers},
            "image_type": "container",
        }
    )


def run_config() -> str:
    """The default run config, as far as upstream knows its provider types."""
    catalogue = catalogues.load()
    document: dict[str, Any] = yaml.safe_load(paths.RUN_CONFIG.read_text(encoding="utf-8"))
    by_api = {api: _known(api, entries, catalogue) for api, entries in document["providers"].items()}
    by_api["files"] = [LOCAL_FILES]  # ours are of this kit's own types
    document["providers"] = {api: entries for api, entries in by_api.items() if entries}
    document["apis"] = [api for api in document["apis"] if api in document["providers"]]
    return yaml.safe_dump(document)


def _known(api: str, entries: list[dict[str, Any]], catalogue: Catalogue) -> list[dict[str, Any]]:
    types = _types(api, catalogue)
    return [entry for entry in entries if "module" in entry or entry["provider_type"] in types]


def _types(api: str, catalogue: Catalogue) -> list[str]:
    return [name for name in catalogue.types(api) if name not in OUR_TYPES]
