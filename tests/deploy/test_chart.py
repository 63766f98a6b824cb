"""What the chart makes of its values, through a real Helm."""

from typing import Any

import helm_python
import pytest
import yaml

from tests.deploy import cluster
from tests.deploy.manifests import (
    CHART,
    PROFILES,
    Object,
    container,
    is_hook,
    notes,
    objects,
    one,
    pod_spec,
    render,
)

SHARED: dict[str, Any] = {"stores": "shared", "persistence": {"enabled": False}, "env": {"POSTGRES_HOST": "postgres"}}
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def init_containers(item: Object) -> list[str]:
    return [entry["name"] for entry in pod_spec(item).get("initContainers", [])]


@pytest.mark.parametrize("profile", [None, *PROFILES], ids=lambda path: path.stem if path else "defaults")
def test_helm_lint_has_nothing_to_say(profile: Any) -> None:
    values = helm_python.values_from_yaml(profile.read_text(encoding="utf-8")) if profile else {}
    report = helm_python.lint(CHART, values, strict=True)
    assert report["errors"] == []
    assert [said["error"] for said in report["messages"] if "icon" not in said["error"]] == []


# A bad config never takes down a good pod.


def test_embedded_stores_are_replaced_and_guarded_by_a_job_before_the_upgrade() -> None:
    deployment = one(found := render(), "Deployment")
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert deployment["spec"]["replicas"] == 1
    assert init_containers(deployment) == []
    config, job = one(found, "ConfigMap", hook=True), one(found, "Job", hook=True)
    weights = [int(item["metadata"]["annotations"]["helm.sh/hook-weight"]) for item in (config, job)]
    assert weights == sorted(set(weights)), "the config is there before the job"
    for item in (config, job):
        assert item["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"
        # Kept when it fails, so that its log can be read; gone before the next.
        assert item["metadata"]["annotations"]["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
    assert job["spec"]["backoffLimit"] == 0
    assert pod_spec(job)["restartPolicy"] == "Never"
    assert container(job)["args"] == ["verify"]
    assert config["data"] == one(found, "ConfigMap")["data"]
    mounted = {volume["name"]: volume for volume in pod_spec(job)["volumes"]}
    assert mounted["run-config"]["configMap"]["name"] == config["metadata"]["name"]
    assert mounted["data"] == {"name": "data", "emptyDir": {}}, "the server's volume may be on another node"


def test_shared_stores_roll_behind_an_init_container() -> None:
    deployment = one(found := render(SHARED, {"replicas": 3}), "Deployment")
    strategy = deployment["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert init_containers(deployment) == ["verify"]
    verify = pod_spec(deployment)["initContainers"][0]
    for field in ("image", "env", "volumeMounts", "securityContext"):
        assert verify[field] == container(deployment)[field]
    keep = one(found, "ConfigMap")["metadata"]["annotations"]
    assert keep == {"helm.sh/resource-policy": "keep"}, "pods of the old revision may restart"


def test_the_job_sees_what_the_server_sees() -> None:
    values = {
        "env": {"A": "1", "B": {"secretKeyRef": {"name": "s", "key": "k"}}},
        "existingSecret": "all",
        "caBundle": {"configMap": "ca"},
        "extraVolumes": [
            {"name": "certs", "secret": {"secretName": "certs"}},
            {"name": "scratch", "persistentVolumeClaim": {"claimName": "scratch"}},
        ],
        "extraVolumeMounts": [{"name": "certs", "mountPath": "/certs"}, {"name": "scratch", "mountPath": "/scratch"}],
        "imagePullSecrets": [{"name": "registry"}],
        "verification": {"arguments": ["--strict"]},
    }
    found = render(values)
    job, deployment = one(found, "Job", hook=True), one(found, "Deployment")
    for field in ("image", "env", "envFrom", "volumeMounts", "securityContext"):
        assert container(job)[field] == container(deployment)[field]
    assert container(job)["args"] == ["verify", "--strict"]
    assert pod_spec(job)["imagePullSecrets"] == pod_spec(deployment)["imagePullSecrets"]
    volumes = {volume.pop("name"): volume for volume in pod_spec(job)["volumes"]}
    assert volumes["certs"] == {"secret": {"secretName": "certs"}}
    assert volumes["scratch"] == {"emptyDir": {}}
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert not one(found, "Service")["spec"]["selector"].items() <= labels.items(), "no request goes to the job"


def test_verification_can_be_left_out() -> None:
    found = render(SHARED, {"verification": {"enabled": False}})
    assert not [item for item in found if is_hook(item)]
    assert init_containers(one(found, "Deployment")) == []


# Security.


@pytest.mark.parametrize("openshift", [True, False])
def test_every_pod_meets_the_restricted_standard(openshift: bool) -> None:
    found = render(SHARED, {"openshift": openshift, "caBundle": {"configMap": "ca"}})
    for item in (one(found, "Deployment"), one(found, "Job", hook=True)):
        spec = pod_spec(item)
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        fixed = {key: value for key, value in spec["securityContext"].items() if key.startswith(("runAs", "fsGroup"))}
        del fixed["runAsNonRoot"]
        expected = {"runAsUser": 1001, "runAsGroup": 0, "fsGroup": 1001, "fsGroupChangePolicy": "OnRootMismatch"}
        assert fixed == ({} if openshift else expected)
        for entry in [*spec["containers"], *spec["initContainers"]] if "initContainers" in spec else spec["containers"]:
            assert entry["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            }
        assert {volume_type for volume in spec["volumes"] for volume_type in volume} <= {
            "name",
            "configMap",
            "emptyDir",
            "persistentVolumeClaim",
            "secret",
        }
    mounts = {
        mount["mountPath"]: mount.get("readOnly", False)
        for mount in container(one(found, "Deployment"))["volumeMounts"]
    }
    assert {path for path, read_only in mounts.items() if not read_only} == {"/data", "/tmp"}


@pytest.mark.parametrize(
    ("apis", "values", "sets_a_user"),
    [
        ((), {}, True),
        ((cluster.OPENSHIFT,), {}, False),
        ((cluster.OPENSHIFT,), {"openshift": False}, True),
        ((), {"openshift": True}, False),
    ],
)
def test_openshift_is_detected_by_its_api(apis: tuple[str, ...], values: dict[str, Any], sets_a_user: bool) -> None:
    with (
        cluster.serve(*apis) as server,
        helm_python.Config(kube_apiserver=server.address, storage_driver="memory", namespace="ai") as helm,
    ):
        manifest = helm.install(str(CHART), "llama-stack", values, dry_run="server")["manifest"]
    context = pod_spec(one(objects([manifest]), "Deployment"))["securityContext"]
    assert ("runAsUser" in context) == sets_a_user
    assert ("fsGroup" in context) == sets_a_user


def test_security_contexts_can_be_changed() -> None:
    values = {"podSecurityContext": {"runAsUser": 5}, "securityContext": {"readOnlyRootFilesystem": False}}
    deployment = one(render(values), "Deployment")
    assert pod_spec(deployment)["securityContext"]["runAsUser"] == 5
    assert pod_spec(deployment)["securityContext"]["runAsNonRoot"] is True
    assert container(deployment)["securityContext"]["readOnlyRootFilesystem"] is False


@pytest.mark.parametrize("source", ["configMap", "secret"])
def test_every_client_is_told_of_a_private_ca(source: str) -> None:
    deployment = one(render({"caBundle": {source: "corporate", "key": "bundle.pem"}}), "Deployment")
    environment = {entry["name"]: entry["value"] for entry in container(deployment)["env"]}
    assert {name for name, value in environment.items() if value == "/etc/ca-bundle/ca.crt"} == {
        "AWS_CA_BUNDLE",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "PGSSLROOTCERT",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
    }
    assert init_containers(deployment) == ["ca-bundle"]
    assert "corporate" in yaml.safe_dump(pod_spec(deployment)["volumes"])


def test_a_variable_of_ones_own_comes_before_the_private_cas() -> None:
    deployment = one(render({"caBundle": {"secret": "ca"}, "env": {"PGSSLROOTCERT": "/mine"}}), "Deployment")
    assert [entry for entry in container(deployment)["env"] if entry["name"] == "PGSSLROOTCERT"] == [
        {"name": "PGSSLROOTCERT", "value": "/mine"}
    ]


# Environment.


def test_environment_values_are_text() -> None:
    values = {
        "env": {
            "TEXT": "a",
            "EMPTY": "",
            "NUMBER": 12345678,
            "FLAG": True,
            "FRACTION": 0.5,
            "ZERO": 0,
            "DIGITS": "007",
            "SECRET": {"secretKeyRef": {"name": "s", "key": "k"}},
        },
        "existingSecret": "everything",
    }
    serving = container(one(render(values), "Deployment"))
    found = {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in serving["env"]}
    del found["RUN_CONFIG_PATH"]
    assert found == {
        "TEXT": "a",
        "EMPTY": "",
        "NUMBER": "12345678",
        "FLAG": "true",
        "FRACTION": "0.5",
        "ZERO": "0",
        "DIGITS": "007",
        "SECRET": {"secretKeyRef": {"name": "s", "key": "k"}},
    }
    assert serving["envFrom"] == [{"secretRef": {"name": "everything"}}]


# Probes.

TLS = {"tls_certfile": "/etc/llama-stack-tls/tls.crt", "tls_keyfile": "/etc/llama-stack-tls/tls.key"}


@pytest.mark.parametrize(
    ("server", "handler"),
    [
        ({}, {"httpGet": {"path": "/v1/health", "port": "http", "scheme": "HTTP"}}),
        (TLS, {"httpGet": {"path": "/v1/health", "port": "http", "scheme": "HTTPS"}}),
        # A probe has no certificate to show,
        ({**TLS, "tls_cafile": "/ca"}, {"tcpSocket": {"port": "http"}}),
        # and a node's probes would use up its quota.
        ({"quota": {"kvstore": {"backend": "kv_default"}}}, {"tcpSocket": {"port": "http"}}),
        # /v1/health asks for no token.
        (
            {"auth": {"provider_config": {"type": "custom", "endpoint": "http://auth"}}},
            {"httpGet": {"path": "/v1/health", "port": "http", "scheme": "HTTP"}},
        ),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_probes_follow_the_run_config(server: dict[str, Any], handler: dict[str, Any], as_text: bool) -> None:
    config: Any = {"server": {**server, "port": 9000}}
    deployment = one(render({"runConfig": yaml.safe_dump(config) if as_text else config}), "Deployment")
    for name in PROBES:
        probe = container(deployment)[name]
        assert {key: probe[key] for key in probe if not key.endswith(("Seconds", "Threshold"))} == handler
    assert container(deployment)["ports"] == [{"name": "http", "containerPort": 9000}]


def test_a_start_may_take_minutes_and_a_busy_server_is_not_restarted() -> None:
    startup, _, liveness = (container(one(render(), "Deployment"))[name] for name in PROBES)
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 300
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 120


# The other objects.


def test_nothing_optional_by_default() -> None:
    kinds = sorted(item["kind"] for item in render() if not is_hook(item))
    assert kinds == ["ConfigMap", "Deployment", "PersistentVolumeClaim", "Service", "ServiceAccount"]


def test_service_and_pods_find_each_other() -> None:
    found = render(SHARED, {"podDisruptionBudget": {"enabled": True}, "networkPolicy": {"enabled": True}})
    deployment, service = one(found, "Deployment"), one(found, "Service")
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= labels
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
    assert one(found, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items() <= labels
    assert one(found, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= labels
    (port,) = service["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (8321, container(deployment)["ports"][0]["name"])


def test_an_autoscaler_chooses_the_replicas() -> None:
    found = render(SHARED, {"autoscaling": {"enabled": True}})
    assert "replicas" not in one(found, "Deployment")["spec"]
    scaler = one(found, "HorizontalPodAutoscaler")["spec"]
    assert scaler["scaleTargetRef"]["name"] == one(found, "Deployment")["metadata"]["name"]
    assert [metric["resource"]["name"] for metric in scaler["metrics"]] == ["cpu"]


def test_constraints_without_a_selector_get_the_releases() -> None:
    spread = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    deployment = one(render({"topologySpreadConstraints": [spread]}), "Deployment")
    selector = deployment["spec"]["selector"]
    assert pod_spec(deployment)["topologySpreadConstraints"] == [{**spread, "labelSelector": selector}]


def test_a_network_policy_lets_the_router_in_where_there_is_a_route() -> None:
    policy: dict[str, Any] = {"openshift": True, "networkPolicy": {"enabled": True}}
    peers = [
        one(render(policy, {"route": {"enabled": route}}), "NetworkPolicy")["spec"]["ingress"][0]["from"]
        for route in (False, True)
    ]
    router = {"namespaceSelector": {"matchLabels": {"policy-group.network.openshift.io/ingress": ""}}}
    assert peers == [[{"podSelector": {}}], [{"podSelector": {}}, router]]


@pytest.mark.parametrize(
    ("server", "termination"),
    [({}, "edge"), (TLS, "reencrypt")],
)
def test_a_route_ends_tls_as_the_server_needs_it(server: dict[str, str], termination: str) -> None:
    found = render({"openshift": True, "route": {"enabled": True}, "runConfig": {"server": server}})
    route = one(found, "Route")["spec"]
    assert route["tls"]["termination"] == termination
    assert route["to"]["name"] == one(found, "Service")["metadata"]["name"]


def test_the_claim_survives_the_release() -> None:
    claim = one(render({"persistence": {"annotations": {"a": "b"}}}), "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"a": "b", "helm.sh/resource-policy": "keep"}
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_an_image_is_named_by_tag_or_digest() -> None:
    digest = "sha256:" + "a" * 64
    image = {"repository": "registry.example:5000/ai/llama-stack"}
    assert container(one(render(), "Deployment"))["image"] == "llama-stack:0.3.3"
    for more, reference in (({"tag": "x"}, ":x"), ({"tag": "x", "digest": digest}, f"@{digest}")):
        deployment = one(render({"image": {**image, **more}}), "Deployment")
        assert container(deployment)["image"] == f"registry.example:5000/ai/llama-stack{reference}"


def test_long_release_names_make_valid_names() -> None:
    for item in render(release="r" * 53):
        assert len(item["metadata"]["name"]) <= 63


def test_notes_say_how_to_reach_it() -> None:
    assert "kubectl -n ai port-forward service/llama-stack 8321:8321" in notes()
    assert "https://chat.example/v1" in notes(
        {"ingress": {"enabled": True, "hosts": ["chat.example"], "tls": [{"hosts": ["chat.example"]}]}}
    )
    assert "get route llama-stack" in notes({"openshift": True, "route": {"enabled": True}})
    assert "https://llama-stack.ai.svc:8321/v1" in notes({"tls": {"secret": "s"}, "runConfig": {"server": TLS}})
    assert "gone when the pod is" in notes({"persistence": {"enabled": False}})
