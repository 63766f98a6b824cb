"""What llama-stack finds when it looks for providers."""

import json
from pathlib import Path

import pytest

from tests.support.stack_server import ROOT, run_python

LLAMA = "from llama_stack.cli.llama import main; main()"
REGISTRY = """
import json
from llama_stack.core.distribution import get_provider_registry
print(json.dumps({api.value: {name: spec.module for name, spec in specs.items()}
                  for api, specs in get_provider_registry().items()}))
"""
OURS = {
    "agents": {"inline::meta-reference": "providers.agents"},
    "batches": {"inline::reference": "providers.batches"},
    "files": {"inline::files": "providers.files.local", "remote::s3-files": "providers.files.s3"},
    "inference": {"remote::vllm": "providers.inference.vllm"},
    "prompts": {"inline::prompts": "providers.prompts"},
}


def test_upstreams_registry_returns_our_providers_and_its_own() -> None:
    registry = json.loads(run_python(REGISTRY))

    for api, modules in OURS.items():
        assert modules.items() <= registry[api].items()
    assert registry["files"]["inline::localfs"] == "llama_stack.providers.inline.files.localfs"
    assert registry["files"]["remote::s3"] == "llama_stack.providers.remote.files.s3"
    assert "remote::openai" in registry["inference"]


@pytest.mark.parametrize(
    ("api", "types"), [("prompts", ["inline::prompts"]), ("files", ["inline::localfs"]), ("telemetry", [])]
)
def test_a_registry_module_can_be_imported_under_upstreams_name(api: str, types: list[str]) -> None:
    code = f"""
from llama_stack.providers.registry.{api} import available_providers
print(*[spec.provider_type for spec in available_providers()])
"""

    assert set(types) <= set(run_python(code).split())


@pytest.mark.parametrize("api", ["prompts", "files", "agents"])
def test_the_command_line_lists_our_providers(api: str) -> None:
    listed = run_python(LLAMA, "stack", "list-providers", api)

    assert all(provider_type in listed for provider_type in OURS[api])


def test_a_package_that_does_not_work_costs_only_its_own_providers(tmp_path: Path) -> None:
    _distribute(tmp_path, "absent", "no_such_module:get_provider_spec")
    _distribute(tmp_path, "mistaken", "builtins:dict")
    code = """
import logging
from providers.registry import added_providers
logging.basicConfig(format="%(message)s", level="ERROR", force=True)
logging.getLogger("providers.registry").addHandler(logging.StreamHandler(__import__("sys").stdout))
print(*[spec.provider_type for spec in added_providers()])
"""

    printed = run_python(code, env={"PYTHONPATH": f"{ROOT}:{tmp_path}"})

    assert "inline::prompts" in printed
    assert "providers of the package absent are missing" in printed
    assert "no_such_module" in printed
    assert "providers of the package mistaken are missing" in printed
    assert "a ProviderSpec is expected" in printed


def _distribute(directory: Path, package: str, entry_point: str) -> None:
    """Make it look as if a package with an entry point were installed in a directory."""
    metadata = directory / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[llama_stack.providers]\nprovider = {entry_point}\n")
