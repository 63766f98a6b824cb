"""The resource for the Llama Stack operator. tests/image/test_deployments.py runs the image as the operator does."""

import shutil
from pathlib import Path

import pytest
import yaml

from distribution.verification import manifests
from distribution.verification.document import Source
from distribution.verification.subject import Target
from distribution.verification.verify import verify
from tests.deploy.kubernetes import VERSIONS, validate
from tests.deploy.manifests import DEPLOY, ROOT, Object, kustomize, kustomized, one, render


@pytest.fixture(scope="module")
def built() -> list[Object]:
    return kustomize(DEPLOY / "operator")


def test_it_serves_the_same_config_as_the_chart(built: list[Object]) -> None:
    resource, config = one(built, "LlamaStackDistribution"), one(built, "ConfigMap")
    assert resource["spec"]["server"]["userConfig"]["configMapName"] == config["metadata"]["name"]
    # The operator looks for config.yaml, older ones for run.yaml.
    assert config["data"]["config.yaml"] == config["data"]["run.yaml"]
    served = yaml.safe_load(config["data"]["config.yaml"])
    assert served == yaml.safe_load(one(render(), "ConfigMap")["data"]["run.yaml"])


def test_state_is_where_the_run_config_keeps_it(built: list[Object]) -> None:
    storage = one(built, "LlamaStackDistribution")["spec"]["server"]["storage"]
    assert f"SQLITE_STORE_DIR:={storage['mountPath']}}}" in (ROOT / "run.yaml").read_text(encoding="utf-8")


def test_it_can_be_verified_before_it_is_applied() -> None:
    text = kustomized(DEPLOY / "operator")
    target = Target({"VLLM_URL": "http://vllm:8000/v1"}, here=False)
    good = verify(manifests.unwrap(Source(text, "all.yaml")), target)
    assert good.passes(strict=True)
    bad = verify(manifests.unwrap(Source(text.replace("inline::prompts", "inline::promts"), "all.yaml")), target)
    assert [found.code for found in bad.findings if found.severity == "error"] == ["unknown-provider-type"]


def test_authentication_is_a_component(tmp_path: Path) -> None:
    mine = shutil.copytree(DEPLOY, tmp_path / "deploy") / "mine"
    mine.mkdir()
    overlay = {"resources": ["../operator"], "components": ["../operator/components/authentication"]}
    (mine / "kustomization.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    resource = one(kustomize(mine), "LlamaStackDistribution")
    validate(resource, VERSIONS[-1])
    server = resource["spec"]["server"]
    (variable,) = [entry["value"] for entry in server["containerSpec"]["env"] if entry["name"] == "AUTH_TOKENS_FILE"]
    (mount,) = server["podOverrides"]["volumeMounts"]
    (volume,) = server["podOverrides"]["volumes"]
    (item,) = volume["projected"]["sources"][0]["secret"]["items"]
    assert variable == f"{mount['mountPath']}/{item['path']}"
    assert mount["name"] == volume["name"]
