"""What is added to llama-stack's registry, and what happens with packages that do not work."""

import importlib
import inspect
import logging
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from llama_stack.core.utils.dynamic import instantiate_class_type
from llama_stack.providers.datatypes import ProviderSpec, RemoteProviderSpec

from providers.registry import ENTRY_POINT_GROUP, _specs, added_providers

MODULE = "providers_of_a_package"
SPEC = """
from llama_stack.apis.datatypes import Api
from llama_stack.providers.datatypes import InlineProviderSpec

def spec(provider_type):
    return InlineProviderSpec(
        api=Api.files, provider_type=provider_type, module="m", config_class="m.C", pip_packages=[]
    )

def one(): return spec("inline::one")
def several(): return [spec("inline::one"), spec("inline::two")]
def none(): return []
def replacing(): return spec("inline::files")
def a_tuple(): return (spec("inline::one"),)
def mixed(): return [spec("inline::one"), "inline::two"]
def failing(): raise RuntimeError("no licence")
def leaving(): raise SystemExit("no licence")
no_function = 1
"""


def install(directory: Path, package: str, function: str) -> None:
    """Make it look as if a package with an entry point were installed in a directory."""
    (directory / f"{MODULE}.py").write_text(SPEC)
    metadata = directory / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\nmine = {function}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory whose packages count as installed."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    return tmp_path


def types() -> list[str]:
    """The provider types that are added, in order."""
    return [spec.provider_type for spec in added_providers()]


@pytest.mark.parametrize(
    ("function", "added"),
    [
        ("one", ["inline::one"]),
        ("several", ["inline::one", "inline::two"]),
        ("none", []),
        ("replacing", ["inline::files"]),
    ],
)
def test_a_packages_providers_come_after_ours(site: Path, function: str, added: list[str]) -> None:
    before = types()
    install(site, "mine", f"{MODULE}:{function}")

    assert types() == before + added


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("no_such_module_at_all:f", "ModuleNotFoundError"),
        (f"{MODULE}:absent", "AttributeError"),
        (f"{MODULE}:no_function", "TypeError"),
        (f"{MODULE}:failing", "RuntimeError('no licence')"),
        (f"{MODULE}:leaving", "SystemExit('no licence')"),
        (f"{MODULE}:a_tuple", "it returns tuple where a ProviderSpec is expected"),
        (f"{MODULE}:mixed", "it returns str where a ProviderSpec is expected"),
    ],
)
def test_a_package_that_does_not_work_is_named_and_left_out(
    site: Path, caplog: pytest.LogCaptureFixture, function: str, reason: str
) -> None:
    before = types()
    install(site, "broken", function)
    install(site, "working", f"{MODULE}:one")

    with caplog.at_level(logging.ERROR):
        assert types() == [*before, "inline::one"]
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith("The providers of the package broken are missing: its entry point mine = ")
    assert function in message
    assert reason in message


def test_an_entry_point_without_a_package_works_too(site: Path) -> None:
    install(site, "mine", f"{MODULE}:one")

    [spec] = _specs(EntryPoint("mine", f"{MODULE}:one", ENTRY_POINT_GROUP))
    assert spec.provider_type == "inline::one"


OURS = [spec for spec in added_providers() if spec.module and spec.module.startswith("providers.")]


@pytest.mark.parametrize("spec", OURS, ids=lambda spec: spec.provider_type)
def test_what_a_spec_names_is_there(spec: ProviderSpec) -> None:
    """llama-stack imports both when a server starts, with these arguments."""
    assert spec.module
    module = importlib.import_module(spec.module)
    config_class: Any = instantiate_class_type(spec.config_class)  # type: ignore[no-untyped-call]
    make = module.get_adapter_impl if isinstance(spec, RemoteProviderSpec) else module.get_provider_impl

    assert config_class.model_fields
    assert inspect.iscoroutinefunction(make)


def test_no_type_is_there_twice() -> None:
    keys = [(spec.api.value, spec.provider_type) for spec in OURS]

    assert keys
    assert sorted(keys) == sorted(set(keys))
