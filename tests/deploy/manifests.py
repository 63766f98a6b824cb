"""What the charts and kustomizations of deploy/ come out as."""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import helm_python
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "llama-stack"
PROFILES = tuple(sorted(CHART.glob("values-*.yaml")))
RELEASE = "llama-stack"

type Object = dict[str, Any]
"""One Kubernetes object."""


def merged(*values: Mapping[str, Any]) -> dict[str, Any]:
    """Merge values as Helm merges its files: maps key by key, everything else as a whole."""
    result: dict[str, Any] = {}
    for overlay in values:
        for key, value in overlay.items():
            below = result.get(key)
            if isinstance(below, dict) and isinstance(value, Mapping):
                result[key] = merged(below, value)
            else:
                result[key] = deepcopy(value)
    return result


def values(*sources: Path | Mapping[str, Any]) -> dict[str, Any]:
    """Read and merge values files and values."""
    return merged(*(_read(source) if isinstance(source, Path) else source for source in sources))


def _read(path: Path) -> dict[str, Any]:
    return helm_python.values_from_yaml(path.read_text(encoding="utf-8")) or {}


def render(*sources: Path | Mapping[str, Any], release: str = RELEASE, chart: Path = CHART) -> list[Object]:
    """Render the chart with these values. Raises what Helm raises."""
    with helm_python.Chart.load(chart) as loaded:
        given = values(*sources)
        loaded.validate_schema(given)
        rendered = loaded.render(given, name=release, namespace="ai", is_upgrade=True)
    return objects(text for name, text in sorted(rendered.items()) if name.endswith(".yaml"))


def notes(*sources: Path | Mapping[str, Any]) -> str:
    """Render what Helm prints after an installation."""
    with helm_python.Chart.load(CHART) as loaded:
        return loaded.render(values(*sources), name=RELEASE, namespace="ai")["llama-stack/templates/NOTES.txt"]


def kustomize(folder: Path) -> list[Object]:
    """Build a kustomization with kubectl and read its objects."""
    return objects([kustomized(folder)])


def kustomized(folder: Path) -> str:
    """Build a kustomization with kubectl."""
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(texts: Iterable[str]) -> list[Object]:
    """Read the objects of YAML texts, empty documents left out."""
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def one(found: Iterable[Object], kind: str, *, hook: bool = False) -> Object:
    """Return the only object of a kind, a hook or not."""
    (match,) = [item for item in found if item["kind"] == kind and is_hook(item) == hook]
    return match


def is_hook(item: Object) -> bool:
    """Whether Helm runs this object rather than manage it."""
    return "helm.sh/hook" in item["metadata"].get("annotations", {})


def pod_spec(item: Object) -> dict[str, Any]:
    """Return the pod spec of a Deployment or Job."""
    spec: dict[str, Any] = item["spec"]["template"]["spec"]
    return spec


def container(item: Object) -> dict[str, Any]:
    """Return the first container of a Deployment or Job."""
    first: dict[str, Any] = pod_spec(item)["containers"][0]
    return first


def environment(found: Iterable[Object]) -> dict[str, str]:
    """Return the environment of the server, with some text for whatever a Secret holds."""
    found = list(found)
    serving = container(one(found, "Deployment"))
    variables: dict[str, str] = {}
    for source in serving.get("envFrom", []):
        if name := source.get("configMapRef", {}).get("name"):
            (config,) = [item for item in found if item["metadata"]["name"] == name]
            variables |= config.get("data", {})
    return variables | {entry["name"]: entry.get("value", "a-secret") for entry in serving["env"]}
