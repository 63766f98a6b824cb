"""Directories of external providers and APIs."""

from pathlib import Path

import pytest

from distribution.verification.document import Source
from distribution.verification.subject import Target
from distribution.verification.verify import verify

CONFIG = """\
version: 2
image_name: external
apis: [inference, weather]
providers:
  inference:
  - provider_id: ours
    provider_type: remote::ours
    config: {{url: http://ours:8000/v1, nonsense: 1}}
  weather:
  - provider_id: station
    provider_type: inline::station
storage:
  backends:
    kv_default: {{type: kv_sqlite, db_path: {folder}/kvstore.db}}
    sql_default: {{type: sql_sqlite, db_path: {folder}/sql_store.db}}
  stores:
    metadata: {{backend: kv_default, namespace: registry}}
    inference: {{backend: sql_default, table_name: inference_store}}
    conversations: {{backend: sql_default, table_name: openai_conversations}}
external_providers_dir: {folder}/providers.d
external_apis_dir: {folder}/apis.d
"""
SPEC = """\
adapter_type: ours
pip_packages: []
module: llama_stack.providers.remote.inference.vllm
config_class: llama_stack.providers.remote.inference.vllm.VLLMInferenceAdapterConfig
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a provider `remote::ours` and an API `weather`."""
    for name, text in {
        "providers.d/remote/inference/ours.yaml": SPEC,
        "apis.d/weather.yaml": "name: weather\nmodule: weather\nprotocol: Weather\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def found(folder: Path, *, here: bool = True) -> list[str]:
    verdict = verify(Source(CONFIG.format(folder=folder), "run.yaml"), Target({}, here=here))
    return [f"{one.severity} {one.code} {one.line}" for one in verdict.findings if one.severity != "info"]


def test_what_they_hold_is_known_and_checked(folder: Path) -> None:
    assert found(folder) == ["warning unknown-key 8"]


def test_those_of_another_machine_might_hold_anything(folder: Path) -> None:
    assert found(folder, here=False) == [
        "warning unknown-api 3",
        "warning unknown-provider-type 7",
        "warning unknown-api 9",
    ]


@pytest.mark.parametrize("name", ["providers.d/remote/inference/ours.yaml", "apis.d/weather.yaml"])
def test_a_file_that_does_not_load_is_an_error(folder: Path, name: str) -> None:
    (folder / name).write_text("a list: [")
    errors = [line for line in found(folder) if line.startswith("error")]
    assert f"error external-directory {20 if name.startswith('providers') else 21}" in errors
