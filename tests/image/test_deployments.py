"""The image in the pods of deploy/, played by Podman."""

import base64
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import requests
import trustme
import yaml

from tests.deploy.manifests import DEPLOY, Object, container, is_hook, kustomize, one, render
from tests.support import kubelet
from tests.support.image import TAG, BuiltImage
from tests.support.kubelet import RunningPod
from tests.support.podman import Podman

REPOSITORY, _, VERSION = TAG.partition(":")
IMAGE = {"image": {"repository": f"docker.io/library/{REPOSITORY}", "tag": VERSION}}
OPENSHIFT_UID = 1000650000
# The default run config serves sqlite-vec too.
FAISS = {
    "provider_id": "faiss",
    "provider_type": "inline::faiss",
    "config": {"persistence": {"backend": "kv_default", "namespace": "vector_io::faiss"}},
}
GOOD: dict[str, Any] = {"runConfig": {"providers": {"vector_io": [FAISS]}}}
BAD = {"runConfig": {"vector_stores": {"default_provider_id": "nowhere"}}}
REASON = "`nowhere`"

type Play = Callable[..., AbstractContextManager[RunningPod]]


@pytest.fixture(scope="module")
def node(built: BuiltImage, podman: Podman) -> Podman:
    """Podman with the image."""
    podman.run("load", "--input", built.archive)
    return podman


@pytest.fixture
def play(node: Podman) -> Iterator[Play]:
    """Plays the pod of a rendered object; its ConfigMaps, Secrets and claims are those of the same rendering."""

    def start(name: str, item: Object, found: list[Object], uid: int | None = None) -> Any:
        needed = [other for other in found if other["kind"] in ("ConfigMap", "Secret", "PersistentVolumeClaim")]
        return kubelet.play(node, name, item["spec"]["template"], needed, uid=uid)

    yield start
    node.run("volume", "rm", "--all", "--force", check=False)


def healthy(pod: RunningPod, scheme: str = "http", verify: str | bool = True) -> str:
    """Wait as a startup probe does; return the address."""
    address = f"{scheme}://{pod.address}:8321"
    deadline = time.monotonic() + 120
    while True:
        try:
            assert requests.get(f"{address}/v1/health", timeout=5, verify=verify).json() == {"status": "OK"}
        except requests.ConnectionError:
            assert pod.exit_code is None, pod.logs()
            assert time.monotonic() < deadline, pod.logs()
            time.sleep(0.2)
        else:
            return address


def vector_stores(address: str) -> int:
    """How many providers of vector stores there are: one with the GOOD config, two with the default."""
    providers = requests.get(f"{address}/v1/providers", timeout=30).json()["data"]
    return len([provider for provider in providers if provider["api"] == "vector_io"])


@pytest.mark.parametrize("uid", [None, OPENSHIFT_UID], ids=["kubernetes", "openshift"])
def test_a_good_configmap_is_served_and_state_outlives_the_pod(play: Play, uid: int | None) -> None:
    found = render(IMAGE, GOOD, {"openshift": uid is not None})
    deployment = one(found, "Deployment")
    with play("good", deployment, found, uid) as pod:
        address = healthy(pod)
        assert vector_stores(address) == 1
        assert (pod.run("id", "-u").strip(), pod.run("id", "-g").strip()) == (str(uid or 1001), "0")
        assert "Read-only" in pod.run("sh", "-c", "touch /opt/x 2>&1 || true")
        created = requests.post(f"{address}/v1/prompts", json={"prompt": "Hello"}, timeout=30).json()
    with play("again", deployment, found, uid) as pod:
        kept = requests.get(f"{healthy(pod)}/v1/prompts/{created['prompt_id']}", timeout=30).json()
        assert kept["prompt"] == "Hello"


def test_a_bad_configmap_ends_it_with_the_reason_in_the_termination_message(play: Play) -> None:
    found = render(IMAGE, BAD)
    with play("bad", one(found, "Deployment"), found) as pod:
        assert pod.wait() == 78
        assert REASON in pod.termination_message
        assert "/etc/llama-stack/run.yaml:" in pod.termination_message
        assert len(pod.termination_message.encode()) <= 4096


def test_an_upgrade_of_embedded_stores_is_verified_before_the_pod_is_replaced(play: Play) -> None:
    old = render(IMAGE)
    with play("old", one(old, "Deployment"), old) as serving:
        address = healthy(serving)
        created = requests.post(f"{address}/v1/prompts", json={"prompt": "Hello"}, timeout=30).json()

        # helm upgrade runs the hooks in the order of their weights, and stops when the Job fails.
        bad = render(IMAGE, BAD)
        with play("hook-bad", one(bad, "Job", hook=True), [item for item in bad if is_hook(item)]) as job:
            assert job.wait() == 78
            assert REASON in job.termination_message
        assert vector_stores(address) == 2, "the old pod serves"
        serving.restart()
        assert vector_stores(healthy(serving)) == 2, "and does so when it is started again"

        good = render(IMAGE, GOOD)
        with play("hook-good", one(good, "Job", hook=True), [item for item in good if is_hook(item)]) as job:
            assert job.wait() == 0, job.logs()
    # Recreate: the old pod has gone before the new one starts.
    with play("new", one(good, "Deployment"), good) as pod:
        address = healthy(pod)
        assert vector_stores(address) == 1
        prompt = requests.get(f"{address}/v1/prompts/{created['prompt_id']}", timeout=30).json()
        assert prompt["prompt"] == "Hello"


def test_an_upgrade_of_shared_stores_leaves_the_old_pods_serving_until_new_ones_are(play: Play) -> None:
    # Where the state is does not matter here, so a Secret is said to know.
    shared = {"stores": "shared", "persistence": {"enabled": False}, "existingSecret": "says-where"}

    def release(*values: dict[str, Any]) -> list[Object]:
        found = render(IMAGE, shared, *values)
        for entry in _containers(one(found, "Deployment")):
            del entry["envFrom"]
        return found

    old, bad, good = release(), release(BAD), release(GOOD)
    with play("old", one(old, "Deployment"), old) as serving:
        address = healthy(serving)
        with play("bad", one(bad, "Deployment"), bad) as pod:
            assert REASON in pod.logs("verify") + pod.output
            assert pod.exit_code is None, "it was never started"
            assert vector_stores(address) == 2
            # Both ConfigMaps are there, as the chart keeps them.
            serving.restart()
            address = healthy(serving)
            assert vector_stores(address) == 2
        with play("new", one(good, "Deployment"), good) as pod:
            assert vector_stores(healthy(pod)) == 1
            assert vector_stores(address) == 2, "both serve until the old one is asked to go"


def test_tls_tokens_and_a_private_ca(play: Play) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    values = {
        "tls": {"secret": "server-tls"},
        "caBundle": {"configMap": "private-ca"},
        "runConfig": {
            "server": {
                "tls_certfile": "/etc/llama-stack-tls/tls.crt",
                "tls_keyfile": "/etc/llama-stack-tls/tls.key",
                "auth": {"provider_config": {"type": "custom", "endpoint": "https://auth.invalid/check"}},
            }
        },
    }
    key = certificate.private_key_pem.bytes()
    chain = b"".join(part.bytes() for part in certificate.cert_chain_pems)
    secret = {name: base64.b64encode(data).decode() for name, data in (("tls.crt", chain), ("tls.key", key))}
    others = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "server-tls"}, "data": secret},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "private-ca"},
            "data": {"ca.crt": authority.cert_pem.bytes().decode()},
        },
    ]
    found = render(IMAGE, values)
    deployment = one(found, "Deployment")
    assert container(deployment)["startupProbe"]["httpGet"]["scheme"] == "HTTPS"
    with play("tls", deployment, [*found, *others]) as pod:
        # A kubelet's probe does not look at the certificate either.
        address = healthy(pod, "https", verify=False)
        assert requests.get(f"{address}/v1/models", timeout=30, verify=False).status_code == 401  # noqa: S501
        clients = "import httpx, requests; u = 'https://localhost:8321/v1/health'; "
        clients += "print(httpx.get(u).status_code, requests.get(u).status_code)"
        assert pod.run("python", "-c", clients).split() == ["200", "200"]
        bundle = pod.run("cat", "/etc/ca-bundle/ca.crt")
        ssl.create_default_context(cadata=bundle)
        assert bundle.count("BEGIN CERTIFICATE") > 50, "the public CAs are there too"


OPERATOR_START = r"""set -e
VERSION_CODE=$(python -c "
import sys
from importlib.metadata import version
from packaging import version as versions

found = versions.parse(version('llama_stack'))
print(f'llama-stack {found}', file=sys.stderr)
base = versions.parse(found.base_version)
print(0 if base < versions.parse('0.2.17') else 1 if base < versions.parse('0.3.0') else 2)
")
PORT=${LLS_PORT:-8321}
WORKERS=${LLS_WORKERS:-1}
case $VERSION_CODE in
    0) python3 -m llama_stack.distribution.server.server --config /etc/llama-stack/config.yaml ;;
    1) python3 -m llama_stack.core.server.server /etc/llama-stack/config.yaml ;;
    *) exec uvicorn llama_stack.core.server.server:create_app \
       --host 0.0.0.0 --port "$PORT" --workers "$WORKERS" --factory ;;
esac
"""
"""What the Llama Stack operator starts the container with, step by step."""


def test_the_operators_pod_serves(play: Play) -> None:
    found = kustomize(DEPLOY / "operator")
    with play("operator", _operators_deployment(found), found) as pod:
        assert vector_stores(healthy(pod)) == 2


def test_the_operators_pod_refuses_a_bad_config(play: Play) -> None:
    found = kustomize(DEPLOY / "operator")
    config = one(found, "ConfigMap")
    served = yaml.safe_load(config["data"]["config.yaml"])
    served["vector_stores"]["default_provider_id"] = "nowhere"
    config["data"]["config.yaml"] = yaml.safe_dump(served)
    with play("operator-bad", _operators_deployment(found), found) as pod:
        assert pod.wait() == 78
        assert REASON in pod.termination_message


def _operators_deployment(found: list[Object]) -> Object:
    """What the operator makes of the resource."""
    server = one(found, "LlamaStackDistribution")["spec"]["server"]
    state = server["storage"]["mountPath"]
    environment = {
        "HF_HOME": state,
        "LLS_WORKERS": "1",
        "LLS_PORT": str(server["containerSpec"]["port"]),
        "LLAMA_STACK_CONFIG": "/etc/llama-stack/config.yaml",
    }
    spec = {
        "securityContext": {"fsGroup": 1001},
        "containers": [
            {
                "name": server["containerSpec"]["name"],
                "image": f"{IMAGE['image']['repository']}:{VERSION}",
                "command": ["/bin/sh", "-c", OPERATOR_START],
                "env": [{"name": name, "value": value} for name, value in environment.items()],
                "volumeMounts": [
                    {"name": "lls-storage", "mountPath": state},
                    {"name": "user-config", "mountPath": "/etc/llama-stack/", "readOnly": True},
                ],
            }
        ],
        "volumes": [
            {"name": "lls-storage", "emptyDir": {}},
            {"name": "user-config", "configMap": {"name": server["userConfig"]["configMapName"]}},
        ],
    }
    return {"kind": "Deployment", "spec": {"template": {"spec": spec}}}


def _containers(item: Object) -> list[dict[str, Any]]:
    spec = item["spec"]["template"]["spec"]
    return [*spec["containers"], *spec.get("initContainers", [])]
