"""The resource for the Llama Stack operator. tests/image/test_deployments.py runs the image as the operator does."""

import pytest
import yaml

from tests.deploy.manifests import DEPLOY, ROOT, Object, kustomize, one, render


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
