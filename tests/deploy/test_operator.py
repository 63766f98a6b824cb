"""The resource for the Llama Stack operator. tests/image/test_deployments.py runs the image as the operator does."""

import pytest
import yaml

from distribution.verification import manifests
from distribution.verification.document import Source
from distribution.verification.subject import Target
from distribution.verification.verify import verify
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
