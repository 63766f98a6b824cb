"""What a user of stock llama-stack would write for the providers of this distribution."""

from typing import Any

import yaml

from builder import manifest, paths, pin, provider_types
from builder.provider_types import ProviderTypes

CONSTRAINTS = (f"llama-stack=={pin.llama_stack()}", f"llama-stack-client=={pin.llama_stack()}", "mcp<2")
"""Without the last two, the pinned llama-stack does not start with the newest packages."""
OUR_TYPES = ("inline::files", "inline::prompts", "remote::s3-files")
"""What providers/registry adds under names of its own."""
LOCAL_FILES = {
    "provider_id": "localfs",
    "provider_type": "inline::localfs",
    "config": {
        "storage_dir": "${env.FILES_STORAGE_DIR:=/data/files}",
        "metadata_store": {"backend": "sql_default", "table_name": "files_metadata"},
    },
}


def build_config() -> str:
    """The build config of the shipped providers, as far as upstream knows their types."""
    known_types = provider_types.load()
    shipped = manifest.load(paths.BUILD_CONFIG, known_types)
    providers: dict[str, list[dict[str, str]]] = {}
    for provider in shipped.providers:
        if provider.module or provider.provider_type in _types(provider.api, known_types):
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
    """The default run config, as far as upstream knows its provider types and what it does with an empty one."""
    known_types = provider_types.load()
    document: dict[str, Any] = yaml.safe_load(paths.RUN_CONFIG.read_text(encoding="utf-8"))
    by_api = {api: _known(api, entries, known_types) for api, entries in document["providers"].items()}
    by_api["files"] = [LOCAL_FILES]  # ours are of this kit's own types
    document["providers"] = {api: entries for api, entries in by_api.items() if entries}
    document["apis"] = [api for api in document["apis"] if api in document["providers"]]
    del document["server"]["auth"]  # upstream takes a type that comes out empty for a wrong one
    return yaml.safe_dump(document)


def _known(api: str, entries: list[dict[str, Any]], known_types: ProviderTypes) -> list[dict[str, Any]]:
    types = _types(api, known_types)
    return [entry for entry in entries if "module" in entry or entry["provider_type"] in types]


def _types(api: str, known_types: ProviderTypes) -> list[str]:
    return [name for name in known_types.types(api) if name not in OUR_TYPES]
