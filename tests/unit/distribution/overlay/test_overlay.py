"""What the overlay takes for granted of llama-stack 0.3.3 and uvicorn: these tests fail when one of them moves."""

import importlib
import importlib.metadata
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from distribution import hooks
from distribution.overlay.changes import without_leftovers
from distribution.upstream.apis import RESOURCES as KINDS
from distribution.upstream.provider_registry import external_specs, import_implementation, registry
from distribution.upstream.storage import BACKEND_DRIVERS, BACKEND_TYPES

REPOSITORY = Path(__file__).parents[4]


def test_it_is_written_for_this_version() -> None:
    assert importlib.metadata.version("llama-stack") == "0.3.3"


@pytest.mark.parametrize("name", hooks.HOOKED)
def test_every_hooked_module_is_there_and_changed(name: str) -> None:
    importlib.import_module(name)
    place, _, function = hooks.HOOKED[name].partition(".")
    assert callable(getattr(importlib.import_module(f"distribution.overlay.{place}"), function))


CONVERSATIONS = "llama_stack.core.conversations.conversations:ConversationServiceImpl"
RESPONSES = "llama_stack.providers.inline.agents.meta_reference.responses.openai_responses"
WRAPPED = {
    f"{CONVERSATIONS}.create_conversation": ["self", "items", "metadata"],
    f"{CONVERSATIONS}.add_items": ["self", "conversation_id", "items"],
    f"{CONVERSATIONS}.openai_delete_conversation_item": ["self", "conversation_id", "item_id"],
    f"{RESPONSES}:OpenAIResponsesImpl._process_input_with_previous_response": [
        *("self", "input", "tools", "previous_response_id", "conversation"),
    ],
    "llama_stack.core.distribution:get_provider_registry": ["config"],
    "llama_stack.core.server.server:create_app": [],
    "llama_stack.core.server.server:replace_env_vars": ["config", "path"],
    "llama_stack.core.routing_tables.common:CommonRoutingTableImpl.get_provider_impl": [
        *("self", "routing_key", "provider_id"),
    ],
    "llama_stack.core.stack:get_provider_registry": ["config"],
    "llama_stack.core.stack:register_resources": ["run_config", "impls"],
    "llama_stack.core.stack:Stack.initialize": ["self"],
    "llama_stack.core.stack:Stack.create_registry_refresh_task": ["self"],
    "llama_stack.core.providers:ProviderImpl.list_providers": ["self"],
    "llama_stack.cli.stack.run:StackRun._run_stack_run_cmd": ["self", "args"],
    "uvicorn.config:Config.load": ["self"],
    "uvicorn.config:Config.bind_socket": ["self"],
    "uvicorn.supervisors.multiprocess:Multiprocess.run": ["self"],
    "uvicorn.supervisors.multiprocess:Multiprocess.keep_subprocess_alive": ["self"],
}
REPLACED = {
    f"{CONVERSATIONS}.list": ["self", "conversation_id", "after", "include", "limit", "order"],
    f"{CONVERSATIONS}.openai_delete_conversation": ["self", "conversation_id"],
    f"{RESPONSES}:ResponsesStore.store_conversation_messages": ["self", "conversation_id", "messages"],
    "llama_stack.core.providers:ProviderImpl.get_providers_health": ["self"],
    "llama_stack.core.routing_tables.models:ModelsRoutingTable.update_registered_models": [
        *("self", "provider_id", "models"),
    ],
    "llama_stack.core.server.server:log_request_pre_validation": ["request"],
    "llama_stack.core.server.server:sse_generator": ["event_gen_coroutine"],
    "llama_stack.core.store.registry:CachedDiskDistributionRegistry.get": ["self", "type", "identifier"],
    "llama_stack.core.store.registry:CachedDiskDistributionRegistry.get_all": ["self"],
    "llama_stack.core.utils.config:redact_sensitive_fields": ["data"],
    "llama_stack.providers.utils.kvstore.postgres.postgres:PostgresKVStoreImpl.keys_in_range": [
        *("self", "start_key", "end_key"),
    ],
    "llama_stack.providers.utils.kvstore.redis.redis:RedisKVStoreImpl.initialize": ["self"],
    "llama_stack.providers.utils.kvstore.redis.redis:RedisKVStoreImpl.keys_in_range": ["self", "start_key", "end_key"],
}
# In a process of its own, where nobody has imported llama-stack before the hooks.
PARAMETERS = """
import importlib, inspect, json, sys
found = {}
for name in json.load(sys.stdin):
    module, _, steps = name.partition(":")
    function = importlib.import_module(module)
    for step in steps.split("."):
        function = getattr(function, step)
    if "distribution.hooks" in sys.modules:
        function = getattr(function, "__wrapped__", None)
    found[name] = list(inspect.signature(function).parameters) if function else "not changed by its hook"
print(json.dumps(found))
"""


def test_every_wrapped_function_takes_what_it_took() -> None:
    assert _parameters(f"import distribution.hooks\n{PARAMETERS}", WRAPPED) == WRAPPED


def test_every_replaced_function_takes_what_ours_takes() -> None:
    assert _parameters(PARAMETERS, REPLACED) == REPLACED


def _parameters(code: str, functions: dict[str, list[str]]) -> Any:
    ran = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(list(functions)),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout.splitlines()[-1])


def test_the_resolver_passes_what_the_collector_reads() -> None:
    from llama_stack.core import resolver

    parameters = list(inspect.signature(resolver.instantiate_provider).parameters)
    assert parameters[:3] == ["provider", "deps", "inner_impls"]


def test_the_resources_are_those_of_upstream() -> None:
    from llama_stack.core.stack import RESOURCES

    assert set(KINDS) == {name for name, *_ in RESOURCES}


def test_the_backends_are_those_of_upstream() -> None:
    assert set(BACKEND_DRIVERS) == set(BACKEND_TYPES)


def test_every_shipped_provider_imports_with_its_config() -> None:
    from distribution.upstream.shipped import shipped_providers

    for provider in shipped_providers():
        if provider.module:
            specs = external_specs(provider.module)
        else:
            specs = [registry()[provider.api][provider.provider_type]]
        assert isinstance(import_implementation(specs[0]), type)


def test_programs_without_llama_stack_import_nothing_for_it() -> None:
    code = (
        "import sys, distribution.hooks, json, http.server\n"
        "print([name for name in sys.modules if name.startswith(('distribution.', 'llama_stack', 'yaml'))])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['distribution.hooks']"


def test_telemetry_as_an_api_becomes_the_setting() -> None:
    config = {"apis": ["inference", "telemetry"], "providers": {"telemetry": [{"provider_id": "t"}], "inference": []}}
    assert without_leftovers(config) == {
        "apis": ["inference"],
        "providers": {"inference": []},
        "telemetry": {"enabled": True},
    }


def test_a_telemetry_setting_is_kept() -> None:
    config = {"providers": {"telemetry": [{"provider_id": "t"}]}, "telemetry": {"enabled": False}}
    assert without_leftovers(config)["telemetry"] == {"enabled": False}


def test_directories_of_external_providers_that_are_not_there_are_passed_over(tmp_path: Path) -> None:
    config = {"external_providers_dir": str(tmp_path), "external_apis_dir": str(tmp_path / "absent")}
    assert without_leftovers(config) == {"external_providers_dir": str(tmp_path)}
