"""Every object that is rendered is one that Kubernetes accepts, from the oldest to the newest supported version."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.deploy.kubernetes import VERSIONS, custom_resources, validate
from tests.deploy.manifests import CHART, DEPLOY, PROFILES, Object, kustomize, one, render

EVERYTHING: dict[str, Any] = {
    "openshift": True,
    "image": {"digest": "sha256:" + "a" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "env": {
        "A": "b",
        "GONE": None,
        "B": {"secretKeyRef": {"name": "s", "key": "k"}},
        "C": {"fieldRef": {"fieldPath": "status.podIP"}},
    },
    "existingSecret": "environment",
    "secretFiles": {"VLLM_API_TOKEN": {"name": "vllm", "key": "token"}},
    "auth": {"tokens": {"secret": "tokens"}},
    "forbiddenRoutes": ["/v1/datasets*"],
    "outgoing": {"allow": ["10.0.0.0/8"], "refuse": ["kubernetes.default.svc"]},
    "limits": {"requestBytes": 1000, "fileBytes": 1000},
    "persistence": {"storageClassName": "fast", "annotations": {"a": "b"}},
    "serviceAccount": {"annotations": {"a": "b"}, "automountToken": True},
    "caBundle": {"configMap": "ca"},
    "tls": {"secret": "tls"},
    "runConfig": {
        "server": {
            "tls_certfile": "/etc/llama-stack-tls/tls.crt",
            "tls_keyfile": "/etc/llama-stack-tls/tls.key",
            "auth": {"provider_config": {"type": "static_token", "file": "${env.AUTH_TOKENS_FILE}"}},
        }
    },
    "networkPolicy": {
        "enabled": True,
        "from": [{"namespaceSelector": {"matchLabels": {"team": "ai"}}}],
        "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
    },
    "service": {"annotations": {"a": "b"}, "extraPorts": [{"name": "metrics", "port": 8889}]},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "annotations": {"a": "b"},
        "hosts": ["a.example", "b.example"],
        "tls": [{"hosts": ["a.example"], "secretName": "s"}],
    },
    "route": {"enabled": True, "host": "a.example"},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"},
    "commonLabels": {"team": "ai"},
    "commonAnnotations": {"owner": "ai"},
    "verification": {"resources": {"limits": {"memory": "1Gi"}}},
    "extraPodSpec": {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["vllm"]}], "dnsPolicy": "ClusterFirst"},
    "podSecurityContext": {"runAsUser": None},
    "podLabels": {"a": "b"},
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"a": "b"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    "priorityClassName": "high",
    "extraVolumes": [{"name": "more", "emptyDir": {}}, {"name": "claim", "persistentVolumeClaim": {"claimName": "c"}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    "extraInitContainers": [{"name": "first", "image": "first:1"}],
    "extraContainers": [{"name": "collector", "image": "collector:1", "ports": [{"containerPort": 8889}]}],
}
SCALED = {
    **EVERYTHING,
    "stores": "shared",
    "persistence": {"accessModes": ["ReadWriteMany"]},
    "env": {"POSTGRES_HOST": "postgres"},
    "autoscaling": {"enabled": True, "targetMemoryUtilizationPercentage": 80, "behavior": {"scaleDown": {}}},
}
RELEASES: dict[str, tuple[Path | dict[str, Any], ...]] = {
    "defaults": (),
    **{path.stem: (path,) for path in PROFILES},
    "everything": (EVERYTHING,),
    "everything-scaled": (SCALED,),
}
KUSTOMIZATIONS = sorted(
    path.parent
    for path in DEPLOY.rglob("kustomization.yaml")
    if yaml.safe_load(path.read_text(encoding="utf-8"))["kind"] == "Kustomization"
)


def invalid(found: list[Object], version: str) -> list[str]:
    problems = []
    for item in found:
        try:
            validate(item, version)
        except jsonschema.ValidationError as error:
            problems.append(f"{item['kind']} {error.json_path}: {error.message}")
    return problems


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("release", RELEASES)
def test_what_the_chart_renders_is_valid(release: str, version: str) -> None:
    found = render(*RELEASES[release])
    assert invalid(found, version) == []
    names = [(item["kind"], item["metadata"]["name"]) for item in found]
    assert len(names) == len(set(names))


def test_everything_is_everything() -> None:
    kinds = {item["kind"] for release in ("everything", "everything-scaled") for item in render(*RELEASES[release])}
    templates = {
        line.removeprefix("kind: ")
        for path in (CHART / "templates").glob("*.yaml")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("kind: ")
    }
    assert kinds == templates


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_what_kustomize_builds_is_valid(folder: Path, version: str) -> None:
    found = kustomize(folder)
    assert found
    assert invalid(found, version) == []


def test_the_argo_cd_application_is_valid() -> None:
    validate(yaml.safe_load((DEPLOY / "argocd" / "application.yaml").read_text(encoding="utf-8")), VERSIONS[0])


def test_the_validation_finds_what_is_wrong() -> None:
    deployment = deepcopy(one(render(), "Deployment"))
    deployment["spec"]["template"]["spec"]["containers"][0]["volumeMount"] = []
    (problem,) = invalid([deployment], VERSIONS[1])
    assert "'volumeMount' was unexpected" in problem
    resource = deepcopy(one(kustomize(DEPLOY / "operator"), "LlamaStackDistribution"))
    resource["spec"]["server"]["userConfig"]["configMap"] = "x"
    (problem,) = invalid([resource], VERSIONS[1])
    assert "'configMap' was unexpected" in problem
    assert ("llamastack.io/v1alpha1", "LlamaStackDistribution") in custom_resources()
