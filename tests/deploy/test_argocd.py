"""Argo CD applies what it is pointed at in waves, and verification comes before the server."""

from typing import Any

import pytest
import yaml

from tests.deploy.manifests import DEPLOY, ROOT, Object, kustomize, one, pod_spec

APPLICATION: dict[str, Any] = yaml.safe_load((DEPLOY / "argocd" / "application.yaml").read_text(encoding="utf-8"))
FOLDERS = [APPLICATION["spec"]["source"]["path"], "deploy/kustomize/overlays/scaleout"]


def wave(item: Object) -> int:
    return int(item["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", 0))


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_server_waits_for_verification_and_verification_for_what_it_reads(folder: str) -> None:
    found = kustomize(ROOT / folder)
    job, deployment = one(found, "Job"), one(found, "Deployment")
    assert wave(job) < wave(deployment)
    containers = pod_spec(job)["containers"]
    read = {volume["configMap"]["name"] for volume in pod_spec(job)["volumes"] if "configMap" in volume}
    read |= {source["configMapRef"]["name"] for source in containers[0]["envFrom"] if "configMapRef" in source}
    before = {item["metadata"]["name"] for item in found if item["kind"] == "ConfigMap" and wave(item) < wave(job)}
    assert read <= before
    # A volume that waits for its first pod would never be healthy in an earlier wave.
    assert all(wave(item) == 0 for item in found if item["kind"] == "PersistentVolumeClaim")


@pytest.mark.parametrize("folder", FOLDERS)
def test_verification_runs_at_every_sync(folder: str) -> None:
    annotations = one(kustomize(ROOT / folder), "Job")["metadata"]["annotations"]
    assert annotations["argocd.argoproj.io/hook"] == "Sync"
    assert annotations["argocd.argoproj.io/hook-delete-policy"] == "BeforeHookCreation"


def test_pods_of_the_old_revision_keep_their_config_until_the_new_ones_are_ready() -> None:
    assert "PruneLast=true" in APPLICATION["spec"]["syncPolicy"]["syncOptions"]
