"""What llama-stack finds in a directory of external providers or APIs."""

from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import yaml
from llama_stack.core import distribution as upstream
from llama_stack.providers.datatypes import ProviderSpec


def providers_in(directory: Path) -> dict[str, dict[str, ProviderSpec]]:
    """Return the provider types of an `external_providers_dir`, by API. Raises whatever a file in it raises."""
    found = upstream.get_external_providers_from_dir(
        defaultdict(dict), SimpleNamespace(external_providers_dir=str(directory))
    )
    return {api.value: dict(types) for api, types in found.items()}


def apis_in(directory: Path) -> set[str]:
    """Return the APIs of an `external_apis_dir`. Raises whatever a file in it raises."""
    return {str(yaml.safe_load(file.read_text())["name"]) for file in directory.glob("*.yaml")}
