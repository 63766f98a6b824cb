"""The APIs of llama-stack, and what can be registered with them."""

from llama_stack.apis.datatypes import Api
from llama_stack.core import distribution as upstream_distribution
from llama_stack.core import stack as upstream_stack

from distribution.upstream.provider_registry import registry

ALL_APIS: tuple[str, ...] = tuple(api.value for api in Api)

ROUTED_APIS: dict[str, str] = {
    info.router_api.value: info.routing_table_api.value
    for info in upstream_distribution.builtin_automatically_routed_apis()
}
"""API that routes to several providers -> API of what it routes by (inference -> models)."""

RESOURCES: dict[str, tuple[str, str]] = {
    "models": ("inference", "model_id"),
    "shields": ("safety", "shield_id"),
    "datasets": ("datasetio", "dataset_id"),
    "scoring_fns": ("scoring", "scoring_fn_id"),
    "benchmarks": ("eval", "benchmark_id"),
    "tool_groups": ("tool_runtime", "toolgroup_id"),
}
"""Kind below `registered_resources` -> the API whose providers serve it, and the field of its id."""


def internal_apis() -> set[str]:
    """Return the APIs that llama-stack serves by itself and that cannot have providers."""
    return {api.value for api in upstream_distribution.INTERNAL_APIS if not registry().get(api.value)}


def resources_skipped_without_provider() -> set[str]:
    """Return the kinds of resources that upstream passes over when they name no provider."""
    registered = {name for name, *_ in upstream_stack.RESOURCES}
    return registered - {"datasets", "tool_groups"}
