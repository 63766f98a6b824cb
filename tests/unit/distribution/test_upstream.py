"""What the ground floor says of the pinned llama-stack: these tests fail when it moves."""

from distribution.upstream.apis import RESOURCES
from distribution.upstream.provider_registry import external_specs, import_implementation, registry
from distribution.upstream.shipped import shipped_providers
from distribution.upstream.storage import BACKEND_DRIVERS, BACKEND_TYPES


def test_the_resources_are_those_of_upstream() -> None:
    from llama_stack.core import stack

    assert set(RESOURCES) == {name for name, *_ in stack.RESOURCES}


def test_the_backends_are_those_of_upstream() -> None:
    assert set(BACKEND_DRIVERS) == set(BACKEND_TYPES)


def test_every_shipped_provider_imports_with_its_config() -> None:
    for provider in shipped_providers():
        if provider.module:
            specs = external_specs(provider.module)
        else:
            specs = [registry()[provider.api][provider.provider_type]]
        assert isinstance(import_implementation(specs[0]), type)
