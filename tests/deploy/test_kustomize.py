"""The kustomizations are what the chart renders, where the two overlap."""

import re
import shutil
from copy import deepcopy
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.manifests import CHART, DEPLOY, Object, is_hook, kustomize, one, pod_spec, render

PAIRS: dict[str, tuple[Path | dict[str, Any], ...]] = {
    "base": (),
    "overlays/openshift": ({"openshift": True, "route": {"enabled": True}},),
    "overlays/scaleout": (CHART / "values-scaleout.yaml",),
    "overlays/openshift-scaleout": (
        CHART / "values-scaleout.yaml",
        {"openshift": True, "route": {"enabled": True}},
    ),
}
MANAGED = {"helm.sh/chart", "app.kubernetes.io/managed-by", "checksum/run-config"}
OWN = ("helm.sh/", "argocd.argoproj.io/")
HASH = re.compile(r"^(llama-stack-run-config)-.*$")


def compared(found: list[Object]) -> dict[tuple[str, str], Object]:
    """The objects by kind and name, without what only one of the two tools writes."""
    variables = {item["metadata"]["name"]: item.get("data", {}) for item in found if item["kind"] == "ConfigMap"}
    result = {}
    for original in found:
        if "environment" in original["metadata"]["name"]:
            continue
        item = deepcopy(original)
        if item["kind"] == "ConfigMap":
            if is_hook(item):
                continue
            item["data"] = {"run.yaml": yaml.safe_load(item["data"]["run.yaml"])}
        if item["kind"] in ("Deployment", "Job"):
            for entry in [*pod_spec(item)["containers"], *pod_spec(item).get("initContainers", [])]:
                _flatten_environment(entry, variables)
            for volume in pod_spec(item)["volumes"]:
                if "configMap" in volume:
                    # The chart's Job has a ConfigMap of its own, with the same content.
                    volume["configMap"]["name"] = "llama-stack-run-config"
            _order(pod_spec(item))
        _without_marks(item)
        name = HASH.sub(r"\1", item["metadata"]["name"])
        item["metadata"]["name"] = name
        result[item["kind"], name] = item
    return result


def _flatten_environment(entry: dict[str, Any], variables: dict[str, dict[str, str]]) -> None:
    flat = {one["name"]: one.get("value", one.get("valueFrom")) for one in entry["env"]}
    for source in entry.pop("envFrom", []):
        flat |= variables.get(source.get("configMapRef", {}).get("name", ""), {})
    entry["env"] = flat


def _order(spec: dict[str, Any]) -> None:
    spec["volumes"].sort(key=lambda volume: volume["name"])


def _without_marks(value: Any) -> None:
    if isinstance(value, dict):
        for key in ("labels", "annotations"):
            if isinstance(marks := value.get(key), dict):
                value[key] = {
                    name: text for name, text in marks.items() if name not in MANAGED and not name.startswith(OWN)
                }
                if not value[key]:
                    del value[key]
        for below in value.values():
            _without_marks(below)
    elif isinstance(value, list):
        for below in value:
            _without_marks(below)


@pytest.mark.parametrize("folder", PAIRS)
def test_it_is_what_the_chart_renders(folder: str) -> None:
    built = compared(kustomize(DEPLOY / "kustomize" / folder))
    rendered = compared(render(*PAIRS[folder]))
    assert built.keys() == rendered.keys()
    for key, item in rendered.items():
        assert built[key] == item


def combined(folder: Path, components: tuple[str, ...]) -> list[Object]:
    """What the base and components come to, in a copy of deploy/ below a folder."""
    mine = shutil.copytree(DEPLOY, folder / "deploy") / "mine"
    mine.mkdir()
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["../kustomize/base"],
        "components": [f"../kustomize/components/{name}" for name in components],
    }
    (mine / "kustomization.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    return kustomize(mine)


@pytest.mark.parametrize("components", list(permutations(["openshift", "scaleout"])))
def test_components_combine_in_any_order(components: tuple[str, ...], tmp_path: Path) -> None:
    expected = compared(kustomize(DEPLOY / "kustomize" / "overlays" / "openshift-scaleout"))
    assert compared(combined(tmp_path, components)) == expected


def test_authentication_is_what_the_chart_makes_of_a_secret_with_tokens(tmp_path: Path) -> None:
    reads_tokens = {"server": {"auth": {"provider_config": {"file": "${env.AUTH_TOKENS_FILE:=}"}}}}
    values = {"auth": {"tokens": {"secret": "llama-stack-auth"}}, "runConfig": reads_tokens}
    built, rendered = compared(combined(tmp_path, ("authentication",))), compared(render(values))
    for kind, name in built:
        if kind in ("Deployment", "Job"):
            assert built[kind, name] == rendered[kind, name]


def test_authentication_and_several_replicas_combine(tmp_path: Path) -> None:
    found = combined(tmp_path, ("scaleout", "authentication"))
    for kind in ("Deployment", "Job"):
        spec = pod_spec(one(found, kind))
        assert "AUTH_TOKENS_FILE" in {entry["name"] for entry in spec["containers"][0]["env"]}
        assert "secrets" in {volume["name"] for volume in spec["volumes"]}


@pytest.mark.parametrize("folder", [folder for folder in PAIRS if "openshift" in folder])
def test_openshift_chooses_user_and_group(folder: str) -> None:
    for kind in ("Deployment", "Job"):
        context = pod_spec(one(kustomize(DEPLOY / "kustomize" / folder), kind))["securityContext"]
        assert context == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_a_change_of_the_run_config_changes_its_name_wherever_it_is_named() -> None:
    names = set()
    for folder in ("base", "overlays/scaleout"):
        found = kustomize(DEPLOY / "kustomize" / folder)
        (config,) = [item for item in found if "run.yaml" in item.get("data", {})]
        name = config["metadata"]["name"]
        names.add(name)
        for kind in ("Deployment", "Job"):
            (volume,) = [item for item in pod_spec(one(found, kind))["volumes"] if item["name"] == "run-config"]
            assert volume["configMap"]["name"] == name
        assert config["immutable"]
    assert len(names) == 2


@pytest.mark.parametrize("folder", PAIRS)
def test_verification_can_be_applied_before_everything_else(folder: str) -> None:
    """With the selector of docs/deploying.md: what the Job needs and nothing that runs already."""
    found = kustomize(DEPLOY / "kustomize" / folder)
    first = [
        item for item in found if item["metadata"]["labels"].get("app.kubernetes.io/component") in ("config", "verify")
    ]
    assert {item["kind"] for item in first} == {"ConfigMap", "Job", "ServiceAccount"}
    assert pod_spec(one(first, "Job"))["serviceAccountName"] == one(first, "ServiceAccount")["metadata"]["name"]
    assert [item for item in found if item["kind"] == "ConfigMap" and item not in first] == []
