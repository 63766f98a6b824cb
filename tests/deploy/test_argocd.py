"""Argo CD applies what it is pointed at in waves, and verification comes before the server."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import yaml

from tests.deploy.manifests import DEPLOY, ROOT, Object, kustomize, one, pod_spec, render

APPLICATION: dict[str, Any] = yaml.safe_load((DEPLOY / "argocd" / "application.yaml").read_text(encoding="utf-8"))
FOLDERS = [APPLICATION["spec"]["source"]["path"], "deploy/kustomize/overlays/scaleout"]
SOURCES: dict[str, Callable[[], list[Object]]] = {
    **{folder: partial(kustomize, ROOT / folder) for folder in FOLDERS},
    "deploy/helm/llama-stack": render,
}


def wave(item: Object) -> int:
    return int(item["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", 0))


@pytest.mark.parametrize("source", SOURCES)
def test_the_server_waits_for_verification_and_verification_for_what_it_needs(source: str) -> None:
    found = SOURCES[source]()
    (job,) = [item for item in found if item["kind"] == "Job"]
    assert wave(job) < wave(one(found, "Deployment"))
    account = one(found, "ServiceAccount")
    assert pod_spec(job)["serviceAccountName"] == account["metadata"]["name"]
    assert wave(account) < wave(job)
    containers = pod_spec(job)["containers"]
    read = {volume["configMap"]["name"] for volume in pod_spec(job)["volumes"] if "configMap" in volume}
    read |= {source["configMapRef"]["name"] for source in containers[0].get("envFrom", []) if "configMapRef" in source}
    before = {item["metadata"]["name"] for item in found if item["kind"] == "ConfigMap" and wave(item) < wave(job)}
    assert read <= before
    # A volume that waits for its first pod would never be healthy in an earlier wave.
    assert all(wave(item) == 0 for item in found if item["kind"] == "PersistentVolumeClaim")


@pytest.mark.parametrize("source", SOURCES)
def test_verification_runs_at_every_sync(source: str) -> None:
    (job,) = [item for item in SOURCES[source]() if item["kind"] == "Job"]
    annotations = job["metadata"]["annotations"]
    # In the phase in which the service account is made; hooks of Helm's alone would run in the one before.
    assert annotations["argocd.argoproj.io/hook"] == "Sync"
    policies = [annotations.get(f"{tool}/hook-delete-policy", "") for tool in ("argocd.argoproj.io", "helm.sh")]
    assert "BeforeHookCreation" in policies[0] or "before-hook-creation" in policies[1]


def test_pods_of_the_old_revision_keep_their_config_until_the_new_ones_are_ready() -> None:
    assert "PruneLast=true" in APPLICATION["spec"]["syncPolicy"]["syncOptions"]
