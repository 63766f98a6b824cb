"""The run config of every deployment passes the image's own verification in the environment it is given."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from distribution.verification.document import Source
from distribution.verification.findings import Severity
from distribution.verification.subject import Target
from distribution.verification.verify import Verdict, verify
from tests.deploy.manifests import (
    CHART,
    DEPLOY,
    PROFILES,
    Object,
    container,
    environment,
    is_hook,
    kustomize,
    one,
    pod_spec,
    render,
)

SCALEOUT = CHART / "values-scaleout.yaml"


def verdict(found: list[Object]) -> Verdict:
    deployment = one(found, "Deployment")
    (volume,) = [item for item in pod_spec(deployment)["volumes"] if item["name"] == "run-config"]
    (config,) = [item for item in found if item["metadata"]["name"] == volume["configMap"]["name"]]
    return verify(Source(config["data"]["run.yaml"], "run.yaml"), Target(environment(found), here=False))


def wrong(found: list[Object]) -> list[str]:
    return [f"{said.code}: {said.message}" for said in verdict(found).findings if said.severity is not Severity.INFO]


@pytest.mark.parametrize("profile", [None, *PROFILES], ids=lambda path: path.stem if path else "defaults")
def test_a_profile_can_be_served(profile: Path | None) -> None:
    assert wrong(render(*[profile] if profile else [])) == []


FOLDERS = sorted(path.name for path in (DEPLOY / "kustomize" / "overlays").iterdir())


@pytest.mark.parametrize("folder", ["base", *[f"overlays/{name}" for name in FOLDERS]])
def test_a_kustomization_can_be_served(folder: str) -> None:
    assert wrong(kustomize(DEPLOY / "kustomize" / folder)) == []


OTHER_MODEL = {"VLLM_EMBEDDING_MODEL": "ibm-granite/granite-embedding-125m-english", "VLLM_EMBEDDING_DIMENSION": 768}


@pytest.mark.parametrize("profile", ["values-rag.yaml", "values-scaleout.yaml"])
def test_another_embedding_model_is_one_value(profile: str) -> None:
    found = render(CHART / profile, {"env": OTHER_MODEL})
    assert wrong(found) == []
    assert environment(found)["VLLM_EMBEDDING_MODEL"] == OTHER_MODEL["VLLM_EMBEDDING_MODEL"]


def test_another_embedding_model_is_one_value_of_the_kustomization(tmp_path: Path) -> None:
    copied = shutil.copytree(DEPLOY, tmp_path / "deploy")
    mine = copied / "mine"
    mine.mkdir()
    overlay = {
        "resources": ["../kustomize/overlays/scaleout"],
        "configMapGenerator": [
            {
                "name": "llama-stack-environment",
                "behavior": "merge",
                "literals": [f"{name}={value}" for name, value in OTHER_MODEL.items()],
            }
        ],
    }
    (mine / "kustomization.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    found = kustomize(mine)
    assert wrong(found) == []
    assert environment(found)["VLLM_EMBEDDING_MODEL"] == OTHER_MODEL["VLLM_EMBEDDING_MODEL"]


def test_a_profile_of_a_wrong_run_config_is_noticed() -> None:
    (problem,) = wrong(render({"runConfig": {"vector_stores": {"default_provider_id": "nowhere"}}}))
    assert problem.startswith("unknown-provider-id: ")


def providers(profile: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for provider in verdict(render(profile)).providers:
        found.setdefault(provider.api, []).append(provider.provider_type)
    return found


def test_rag_is_vllm_milvus_s3_and_mcp() -> None:
    found = providers(CHART / "values-rag.yaml")
    assert found["inference"] == ["remote::vllm", "remote::vllm"]
    assert "remote::milvus" in found["vector_io"]
    assert found["files"] == ["remote::s3-files"]
    assert "remote::model-context-protocol" in found["tool_runtime"]


def test_scaleout_has_nothing_on_a_local_disk() -> None:
    found = render(SCALEOUT)
    assert not [item for item in found if item["kind"] == "PersistentVolumeClaim"]
    assert {"name": "data", "emptyDir": {}} in pod_spec(one(found, "Deployment"))["volumes"]
    config: dict[str, Any] = yaml.safe_load(one(found, "ConfigMap")["data"]["run.yaml"])
    backends = config["storage"]["backends"].values()
    assert {backend["type"] for backend in backends} == {"kv_postgres", "sql_postgres"}
    types = providers(SCALEOUT)
    assert (types["vector_io"], types["files"]) == (["remote::milvus"], ["remote::s3-files"])
    assert "/data" not in yaml.safe_dump(config)
    assert one(found, "HorizontalPodAutoscaler")["spec"]["minReplicas"] == 3


def test_profiles_hold_no_secrets() -> None:
    for profile in PROFILES:
        for item in render(profile):
            if item["kind"] == "Deployment" and not is_hook(item):
                for entry in container(item)["env"]:
                    if entry["name"].endswith(("PASSWORD", "TOKEN", "KEY", "KEY_ID")):
                        assert "secretKeyRef" in entry["valueFrom"]
