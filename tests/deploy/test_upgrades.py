"""Upgrades by a real Helm against an API server: what is written, and in which order."""

from collections.abc import Iterator
from typing import Any

import helm_python
import pytest

from tests.deploy import cluster
from tests.deploy.cluster import Cluster
from tests.deploy.manifests import CHART, RELEASE, pod_spec


@pytest.fixture
def server() -> Iterator[Cluster]:
    with cluster.serve() as serving:
        yield serving


@pytest.fixture
def helm(server: Cluster) -> Iterator[helm_python.Config]:
    """Helm with one release of the chart's default values."""
    with helm_python.Config(kube_apiserver=server.address, storage_driver="memory", namespace="ai") as connected:
        connected.install(str(CHART), RELEASE, {}, timeout=60)
        server.writes.clear()
        yield connected


def served(server: Cluster) -> dict[str, Any]:
    """The run config of the Deployment as it is now."""
    (deployment,) = server.objects("Deployment")
    (name,) = [volume["configMap"]["name"] for volume in pod_spec(deployment)["volumes"] if "configMap" in volume]
    (config,) = [item for item in server.objects("ConfigMap") if item["metadata"]["name"] == name]
    data: dict[str, Any] = config["data"]
    return data


def test_a_failed_verification_ends_the_upgrade_before_anything_is_changed(
    server: Cluster, helm: helm_python.Config
) -> None:
    before = served(server), server.objects("Deployment")
    server.jobs_succeed = False
    with pytest.raises(helm_python.HelmReleaseError, match="pre-upgrade hooks failed"):
        helm.upgrade(str(CHART), RELEASE, {"runConfig": {"image_name": "wrong"}}, timeout=60)
    assert {(kind, name) for _, kind, name in server.writes} == {
        ("configmaps", "llama-stack-verify"),
        ("jobs", "llama-stack-verify"),
    }
    assert (served(server), server.objects("Deployment")) == before
    assert server.objects("Job"), "its log can be read"


def test_a_verification_that_succeeds_comes_before_everything_else(server: Cluster, helm: helm_python.Config) -> None:
    helm.upgrade(str(CHART), RELEASE, {"runConfig": {"image_name": "better"}}, timeout=60)
    assert "image_name: better" in served(server)["run.yaml"]
    written = [(kind, name) for method, kind, name in server.writes if method != "DELETE"]
    assert written[:2] == [("configmaps", "llama-stack-verify"), ("jobs", "llama-stack-verify")]
    assert ("deployments", "llama-stack") in written[2:]
    assert server.objects("Job") == [], "what has succeeded is gone"


def test_verification_runs_with_the_service_account_that_is_there(server: Cluster, helm: helm_python.Config) -> None:
    server.jobs_succeed = False
    accounts = []
    for values in ({}, {"serviceAccount": {"name": "another"}}):
        with pytest.raises(helm_python.HelmReleaseError, match="pre-upgrade hooks failed"):
            helm.upgrade(str(CHART), RELEASE, values, timeout=60)
        (job,) = server.objects("Job")
        accounts.append(pod_spec(job).get("serviceAccountName"))
    # The upgrade makes the other one after the Job.
    assert accounts == [RELEASE, None]


def test_after_a_failed_one_an_upgrade_can_be_tried_again(server: Cluster, helm: helm_python.Config) -> None:
    server.jobs_succeed = False
    with pytest.raises(helm_python.HelmReleaseError):
        helm.upgrade(str(CHART), RELEASE, {"runConfig": {"image_name": "wrong"}}, timeout=60)
    server.jobs_succeed = True
    helm.upgrade(str(CHART), RELEASE, {"runConfig": {"image_name": "better"}}, timeout=60)
    assert "image_name: better" in served(server)["run.yaml"]


def test_the_config_of_pods_that_are_still_there_is_kept(server: Cluster) -> None:
    shared = {"stores": "shared", "persistence": {"enabled": False}, "env": {"POSTGRES_HOST": "postgres"}}
    with helm_python.Config(kube_apiserver=server.address, storage_driver="memory", namespace="ai") as helm:
        helm.install(str(CHART), RELEASE, shared, timeout=60)
        old = served(server)
        helm.upgrade(str(CHART), RELEASE, {**shared, "runConfig": {"image_name": "new"}}, timeout=60)
    assert served(server) != old
    assert old in [item["data"] for item in server.objects("ConfigMap")]
