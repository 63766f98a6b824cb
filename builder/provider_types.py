"""Every provider type there is to choose from, and the packages each one needs.

requirements/providers.yaml holds it; `build.py lock` writes that file from the registries of the pinned llama-stack
and of providers/registry/.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from builder import paths


@dataclass(frozen=True)
class ProviderTypes:
    """API -> provider type -> its description."""

    entries: dict[str, dict[str, dict[str, Any]]]

    @property
    def apis(self) -> list[str]:
        """The APIs that can have providers."""
        return list(self.entries)

    def types(self, api: str) -> list[str]:
        """The provider types of an API; empty for an API that has none."""
        return list(self.entries.get(api, {}))

    def packages(self, api: str, provider_type: str) -> list[str]:
        """The requirements listed for a provider type; empty for an external provider."""
        return list(self.entries.get(api, {}).get(provider_type, {}).get("pip_packages", []))


def load(path: Path = paths.PROVIDERS) -> ProviderTypes:
    """Read requirements/providers.yaml."""
    return ProviderTypes(yaml.safe_load(path.read_text(encoding="utf-8")))
