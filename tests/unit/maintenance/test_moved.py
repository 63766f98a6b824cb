"""The command: two releases compared, one of them fetched, and what it prints."""

import json
import zipfile
from pathlib import Path

import pytest

from distribution.overlay.declaration import all_changes
from maintenance import moved, report
from maintenance.sources import Sources
from tests.unit.maintenance.conftest import MakeSources

REGISTRY = """
def available_providers():
    return [
        InlineProviderSpec(api=Api.files, provider_type="inline::localfs", pip_packages=%s,
            module="llama_stack.files", config_class="llama_stack.files.FilesConfig"),
    ]
"""
OLD = {
    "llama_stack.providers.registry.files": REGISTRY % "['aiosqlite', 'boto3']",
    "llama_stack.files": "class FilesConfig(BaseModel):\n    root: str\n    limit: int = 3\n",
    "llama_stack.core.datatypes": "class StackRunConfig(BaseModel):\n    version: int = 2\n    old: str\n",
    "llama_stack.core.distribution": "INTERNAL_APIS = {1}\ndef get_provider_registry(config): ...\n",
}
NEW = {
    "llama_stack.providers.registry.files": REGISTRY % "['aiosqlite', 'minio']",
    "llama_stack.files": "class FilesConfig(BaseModel):\n    root: str = '/'\n    quota: int = 3\n",
    "llama_stack.core.datatypes": "class StackRunConfig(BaseModel):\n    version: int = 3\n",
    "llama_stack.core.distribution": "def get_provider_registry(config, listing): ...\n",
}


def sections(text: str) -> dict[str, list[str]]:
    """The report's lines by the subject of their section."""
    found = {}
    for section in text.split("\n\n")[1:]:
        first, *lines = section.splitlines()
        found[first.partition(":")[0]] = lines
    return found


def test_the_report_names_what_moved(make_sources: MakeSources) -> None:
    found = moved.compare(make_sources(OLD), make_sources(NEW))
    said = sections(report.as_text("1.0", "2.0", found, []))
    assert said[report.REGISTRIES] == ["  ~ files=inline::localfs", "      ~ pip_packages: -boto3, +minio"]
    assert said[report.CONFIGS] == [
        "  ~ files=inline::localfs",
        "      ~ root: str -> str = '/'",
        "      - limit: int = 3",
        "      + quota: int = 3",
    ]
    assert said[report.RUN_CONFIG] == ["  ~ StackRunConfig", "      ~ version: int = 2 -> int = 3", "      - old: str"]
    assert said[report.CHANGES] == [
        "  ~ llama_stack.core.datatypes:StackRunConfig",
        "      ~ code: 2 lines less, 1 more",
        "  - llama_stack.core.distribution:INTERNAL_APIS: INTERNAL_APIS is gone from the module",
        "  ~ llama_stack.core.distribution:get_provider_registry",
        "      ~ parameters: (config) -> (config, listing)",
        "      ~ code: 1 lines less, 1 more",
    ]
    assert "llama_stack.core.datatypes:StackRunConfig" not in "".join(said[report.IMPORTS])


def test_a_release_that_has_nothing_any_more_is_no_crash(make_sources: MakeSources) -> None:
    ours = make_sources({**OLD, "llama_stack.core.stack": "class Stack: ...\n"})
    found = moved.compare(ours, make_sources({"llama_stack_api.all": "class StackRunConfig: ...\nclass Stack: ...\n"}))
    said = sections(report.as_text("1.0", "2.0", found, []))
    assert said[report.REGISTRIES] == ["  - files=inline::localfs: gone"]
    assert said[report.CONFIGS] == []  # said once, with the provider type
    assert said[report.RUN_CONFIG] == ["  - StackRunConfig: gone"]
    assert "  - llama_stack.core.distribution:INTERNAL_APIS: the module is gone" in said[report.CHANGES]
    assert (
        "  - llama_stack.core.datatypes:StackRunConfig: the module is gone; StackRunConfig is in llama_stack_api.all"
        in said[report.IMPORTS]
    )


def test_long_values_are_cut_in_the_text_and_whole_in_json(make_sources: MakeSources) -> None:
    long = {**OLD, "llama_stack.files": OLD["llama_stack.files"] + f"    text: str = '{'x' * 500}'\n"}
    found = moved.compare(make_sources(OLD), make_sources(long))
    assert "x" * 500 not in report.as_text("1.0", "2.0", found, [])
    document = json.loads(report.as_json("1.0", "2.0", found, []))
    assert document["moved"][report.CONFIGS] == [
        {"item": "files=inline::localfs", "aspect": "text", "before": None, "after": f"str = '{'x' * 500}'"}
    ]


def test_declarations_say_what_a_release_has_mended() -> None:
    by_version = {
        version: {one.target for one in moved.declared_as_mended(version)} for version in ("0.3.0", "0.3.5", "0.4.0")
    }
    versions = {one.target: one.fixed_in.partition(" ")[0] for one in all_changes()}
    assert by_version["0.3.0"] == set()
    assert by_version["0.3.5"] == {target for target, version in versions.items() if version in ("0.3.4", "0.3.5")}
    assert by_version["0.3.5"] < by_version["0.4.0"]
    assert not [target for target in by_version["0.4.0"] if versions[target] == "ogx"]


def write_wheel(folder: Path, name: str, sources: Sources, *, requires: str = "") -> None:
    """Write a wheel of version 9.9.9 with the modules of one top-level package."""
    package = name.replace("-", "_")
    record = f"{package}-9.9.9.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9.9\n" + (
        f"Requires-Dist: {requires}\n" * bool(requires)
    )
    with zipfile.ZipFile(folder / f"{package}-9.9.9-py3-none-any.whl", "w") as wheel:
        for file in (sources.folder / package).rglob("*.py"):
            wheel.write(file, file.relative_to(sources.folder))
        wheel.writestr(f"{record}/METADATA", metadata)
        wheel.writestr(f"{record}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{record}/RECORD", "")


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of wheels that uv takes for the package index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return folder


def test_a_release_is_fetched_and_compared(
    make_sources: MakeSources, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = make_sources({**NEW, "llama_stack_api.datatypes": "class ProviderSpec: ...\n"})
    write_wheel(index, "llama-stack", sources, requires="llama-stack-api")
    write_wheel(index, "llama-stack-api", sources)
    assert moved.main(["9.9.9"]) == 0
    said = sections(capsys.readouterr().out)
    assert "  - inference=remote::vllm: gone" in said[report.REGISTRIES]
    assert (
        "  - llama_stack.providers.datatypes:ProviderSpec: the module is gone; "
        "ProviderSpec is in llama_stack_api.datatypes" in said[report.IMPORTS]
    )
    assert len(said["declared as mended by 9.9.9"]) > 5


def test_json_is_one_document(make_sources: MakeSources, index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_wheel(index, "llama-stack", make_sources(NEW))
    assert moved.main(["9.9.9", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["to"], next(iter(document["moved"]))) == ("9.9.9", report.REGISTRIES)


def test_a_release_that_the_index_lacks(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert moved.main(["9.9.9"]) == 69
    assert capsys.readouterr().err.startswith("error: llama-stack==9.9.9 could not be fetched:\n")


def test_what_is_no_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert moved.main(["newest"]) == 2
    assert capsys.readouterr().err == (
        "error: 'newest' is not a version\n  -> for example: python -m maintenance.moved 0.3.5\n"
    )
