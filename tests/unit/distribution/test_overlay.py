"""What the overlay takes for granted of llama-stack 0.3.3 and uvicorn: these tests fail when one of them moves."""

import importlib
import importlib.metadata
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

from distribution import hooks
from distribution.overlay import changes, facts
from distribution.overlay.changes import without_leftovers

REPOSITORY = Path(__file__).parents[3]


def test_it_is_written_for_this_version() -> None:
    assert importlib.metadata.version("llama-stack") == "0.3.3"


@pytest.mark.parametrize("name", hooks.HOOKED)
def test_every_hooked_module_is_there_and_changed(name: str) -> None:
    importlib.import_module(name)
    assert callable(getattr(changes, hooks.HOOKED[name]))


WRAPPED = {
    "llama_stack.core.distribution:get_provider_registry": ["config"],
    "llama_stack.core.server.server:create_app": [],
    "llama_stack.core.server.server:replace_env_vars": ["config", "path"],
    "llama_stack.core.stack:get_provider_registry": ["config"],
    "llama_stack.core.stack:register_resources": ["run_config", "impls"],
    "llama_stack.core.stack:Stack.initialize": ["self"],
    "llama_stack.core.stack:Stack.create_registry_refresh_task": ["self"],
    "llama_stack.core.providers:ProviderImpl.get_providers_health": ["self"],
    "llama_stack.cli.stack.run:StackRun._run_stack_run_cmd": ["self", "args"],
    "uvicorn.config:Config.load": ["self"],
    "uvicorn.config:Config.bind_socket": ["self"],
    "uvicorn.supervisors.multiprocess:Multiprocess.run": ["self"],
    "uvicorn.supervisors.multiprocess:Multiprocess.keep_subprocess_alive": ["self"],
}
# In a process of its own, where nobody has imported llama-stack before the hooks.
PARAMETERS = """
import distribution.hooks, importlib, inspect, json, sys
found = {}
for name in json.load(sys.stdin):
    module, _, steps = name.partition(":")
    function = importlib.import_module(module)
    for step in steps.split("."):
        function = getattr(function, step)
    wrapped = getattr(function, "__wrapped__", None)
    found[name] = list(inspect.signature(wrapped).parameters) if wrapped else "not changed by its hook"
print(json.dumps(found))
"""


def test_every_wrapped_function_takes_what_it_took() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PARAMETERS],
        input=json.dumps(list(WRAPPED)),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(ran.stdout.splitlines()[-1]) == WRAPPED


def test_the_resolver_passes_what_the_collector_reads() -> None:
    from llama_stack.core import resolver

    parameters = list(inspect.signature(resolver.instantiate_provider).parameters)
    assert parameters[:3] == ["provider", "deps", "inner_impls"]


def test_the_resources_are_those_of_upstream() -> None:
    from llama_stack.core.stack import RESOURCES

    assert set(facts.RESOURCES) == {name for name, *_ in RESOURCES}


def test_the_backends_are_those_of_upstream() -> None:
    assert set(facts.BACKEND_DRIVERS) == set(facts.BACKEND_TYPES)


def test_every_shipped_provider_imports_with_its_config() -> None:
    from distribution.shipped import shipped_providers

    for provider in shipped_providers():
        if provider.module:
            specs = facts.external_specs(provider.module)
        else:
            specs = [facts.registry()[provider.api][provider.provider_type]]
        assert isinstance(facts.import_implementation(specs[0]), type)


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
