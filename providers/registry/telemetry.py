"""Providers of the telemetry API: none, since telemetry is a setting of the server in llama-stack 0.3."""

from llama_stack.providers.datatypes import ProviderSpec

# What older configs name under `providers: telemetry:`, where they mean `telemetry: {enabled: true}`.
OLD_TYPES = ("inline::meta-reference", "inline::telemetry")


def available_providers() -> list[ProviderSpec]:
    """Return the providers of this API."""
    return []
