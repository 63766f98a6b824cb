"""What the chart makes of its values, through a real Helm."""

import re
from typing import Any

import helm_python
import pytest
import yaml

from builder import pin
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
    assert job["spec"]["activeDeadlineSeconds"] < 300, "Helm waits 5 minutes and would not say how the Job ended"
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


PLATFORM: dict[str, Any] = {
    "commonLabels": {"team": "ai", "environment": "production"},
    "commonAnnotations": {"owner": "ai@corp.example"},
    "podLabels": {"azure.workload.identity/use": "true", "team": "serving"},
    "podAnnotations": {"vault.hashicorp.com/agent-inject": "true", "sidecar.istio.io/inject": "true"},
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/s3"}, "automountToken": True},
    "nodeSelector": {"pool": "ai"},
    "tolerations": [{"key": "ai", "operator": "Exists"}],
    "priorityClassName": "high",
    "extraPodSpec": {"dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}, "runtimeClassName": "gvisor"},
    "affinity": {
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []},
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "zone", "labelSelector": {"matchLabels": {"team": "serving"}}}
            ]
        },
    },
    "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}},
    "caBundle": {"configMap": "ca"},
    "extraInitContainers": [{"name": "certificates", "image": "certificates:1", "resources": {"limits": {"cpu": 1}}}],
    "extraContainers": [{"name": "collector", "image": "collector:1"}],
}


def test_what_admits_the_servers_pod_admits_the_jobs() -> None:
    found = render(PLATFORM)
    job, deployment = one(found, "Job", hook=True), one(found, "Deployment")
    template, served = job["spec"]["template"], deployment["spec"]["template"]
    for marks in (template["metadata"]["labels"], served["metadata"]["labels"], job["metadata"]["labels"]):
        assert marks["environment"] == "production"
    assert template["metadata"]["labels"].items() >= PLATFORM["podLabels"].items()
    assert template["metadata"]["annotations"]["vault.hashicorp.com/agent-inject"] == "true"
    assert template["metadata"]["annotations"]["owner"] == "ai@corp.example"
    for field in (
        "serviceAccountName",
        "automountServiceAccountToken",
        "nodeSelector",
        "tolerations",
        "priorityClassName",
        "dnsConfig",
        "runtimeClassName",
        "initContainers",
        "securityContext",
    ):
        assert pod_spec(job)[field] == pod_spec(deployment)[field], field
    assert pod_spec(job)["serviceAccountName"] == one(found, "ServiceAccount")["metadata"]["name"]
    assert container(job)["resources"] == container(deployment)["resources"]
    # Beside pods that want to be alone in a zone there may be no other zone.
    assert pod_spec(job)["affinity"] == {"nodeAffinity": PLATFORM["affinity"]["nodeAffinity"]}
    assert [entry["name"] for entry in pod_spec(job)["containers"]] == ["verify"], "a collector would never end"


def test_the_job_has_no_sidecar_that_would_keep_it_from_ending() -> None:
    template = one(render(PLATFORM), "Job", hook=True)["spec"]["template"]["metadata"]
    assert template["labels"]["sidecar.istio.io/inject"] == "false"
    assert template["annotations"] == {
        "owner": "ai@corp.example",
        "vault.hashicorp.com/agent-inject": "true",
        "vault.hashicorp.com/agent-pre-populate-only": "true",
        "sidecar.istio.io/inject": "false",
        "linkerd.io/inject": "disabled",
        "kubectl.kubernetes.io/default-container": "verify",
    }
    served = one(render(PLATFORM), "Deployment")["spec"]["template"]["metadata"]
    assert served["annotations"]["sidecar.istio.io/inject"] == "true"
    assert "linkerd.io/inject" not in served["annotations"]


def test_the_jobs_pod_has_labels_and_annotations_of_its_own() -> None:
    own: dict[str, dict[str, Any]] = {
        "podLabels": {"sidecar.istio.io/inject": "true", "team": "verification"},
        "podAnnotations": {"linkerd.io/inject": None, "kuma.io/sidecar-injection": "disabled"},
    }
    template = one(render(PLATFORM, {"verification": own}), "Job", hook=True)["spec"]["template"]["metadata"]
    assert template["labels"].items() >= own["podLabels"].items()
    assert template["annotations"]["kuma.io/sidecar-injection"] == "disabled"
    assert "linkerd.io/inject" not in template["annotations"]


def test_verification_may_need_less_than_the_server() -> None:
    small = {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}}
    found = render(SHARED, {"verification": {"resources": small}})
    job, deployment = one(found, "Job", hook=True), one(found, "Deployment")
    assert container(job)["resources"] == small
    assert pod_spec(deployment)["initContainers"][0]["resources"] == small
    assert container(deployment)["resources"] != small


def test_a_claim_that_is_only_read_is_there_for_the_job() -> None:
    models = {"name": "models", "persistentVolumeClaim": {"claimName": "models", "readOnly": True}}
    assert models in pod_spec(one(render({"extraVolumes": [models]}), "Job", hook=True))["volumes"]


def test_verification_comes_after_what_init_containers_prepare() -> None:
    found = render(SHARED, PLATFORM)
    assert init_containers(one(found, "Deployment")) == ["ca-bundle", "certificates", "verify"]
    assert init_containers(one(found, "Job", hook=True)) == ["ca-bundle", "certificates"]


def test_every_container_of_the_chart_has_resources() -> None:
    found = render(SHARED, PLATFORM)
    for item in (one(found, "Deployment"), one(found, "Job", hook=True)):
        for entry in [*pod_spec(item)["containers"], *pod_spec(item)["initContainers"]]:
            if entry["name"] not in ("certificates", "collector"):
                assert entry["resources"]["limits"]["cpu"] == "2", entry["name"]


@pytest.mark.parametrize(("name", "account"), [("", "default"), ("mine", "mine")])
def test_an_account_that_is_there_already_is_the_jobs_too(name: str, account: str) -> None:
    found = render({"serviceAccount": {"create": False, "name": name}})
    for item in (one(found, "Deployment"), one(found, "Job", hook=True)):
        assert pod_spec(item)["serviceAccountName"] == account


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
    values = {
        "podSecurityContext": {"runAsUser": 5},
        "securityContext": {"readOnlyRootFilesystem": False, "capabilities": {"add": ["NET_BIND_SERVICE"]}},
    }
    deployment = one(render(values), "Deployment")
    assert pod_spec(deployment)["securityContext"]["runAsUser"] == 5
    assert pod_spec(deployment)["securityContext"]["runAsNonRoot"] is True
    assert container(deployment)["securityContext"]["readOnlyRootFilesystem"] is False
    assert container(deployment)["securityContext"]["capabilities"] == {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}


def test_null_takes_a_key_of_a_security_context_away() -> None:
    values = {"podSecurityContext": {"runAsUser": None}, "securityContext": {"seccompProfile": None}}
    found = render(values, {"caBundle": {"configMap": "ca"}})
    for item in (one(found, "Deployment"), one(found, "Job", hook=True)):
        assert "runAsUser" not in pod_spec(item)["securityContext"]
        assert pod_spec(item)["securityContext"]["fsGroup"] == 1001
        for entry in [*pod_spec(item)["containers"], *pod_spec(item)["initContainers"]]:
            assert "seccompProfile" not in entry["securityContext"]


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
    del found["RUN_CONFIG_PATH"], found["SHUTDOWN_GRACE_SECONDS"]
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


def test_null_takes_a_variable_of_a_profile_away() -> None:
    """For a bucket of Amazon's and an IAM role, for instance."""
    gone = ("S3_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    found = render(CHART / "values-rag.yaml", {"env": dict.fromkeys(gone)})
    for item in (one(found, "Deployment"), one(found, "Job", hook=True)):
        names = [entry["name"] for entry in container(item)["env"]]
        assert "S3_BUCKET_NAME" in names
        assert set(names).isdisjoint(gone)


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


EVERY_OBJECT: dict[str, Any] = {
    "openshift": True,
    "autoscaling": {"enabled": True},
    "podDisruptionBudget": {"enabled": True},
    "networkPolicy": {"enabled": True},
    "ingress": {"enabled": True, "hosts": ["a.example"], "annotations": {"own": "a"}},
    "route": {"enabled": True},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "service": {"extraPorts": [{"name": "metrics", "port": 8889}]},
    "persistence": {"enabled": True, "accessModes": ["ReadWriteMany"]},
}


def test_common_labels_and_annotations_are_on_every_object_and_pod() -> None:
    label, annotation = {"cost-center": "42"}, {"corp.example/owner": "ai"}
    plain = render(SHARED, EVERY_OBJECT)
    marked = render(SHARED, EVERY_OBJECT, {"commonLabels": label, "commonAnnotations": annotation})
    assert len(marked) == len(plain) > 12
    for item, before in zip(marked, plain, strict=True):
        everywhere = [(item["metadata"], before["metadata"])]
        if item["kind"] in ("Deployment", "Job"):
            everywhere.append((item["spec"]["template"]["metadata"], before["spec"]["template"]["metadata"]))
        for now, then in everywhere:
            assert now["labels"] == then["labels"] | label, item["kind"]
            assert now["annotations"] == then.get("annotations", {}) | annotation, item["kind"]
    assert "cost-center" not in yaml.safe_dump(one(marked, "Deployment")["spec"]["selector"]), "it cannot change"


def test_a_network_policy_is_the_verifying_pods_too() -> None:
    found = render({"networkPolicy": {"enabled": True}})
    selector = one(found, "NetworkPolicy")["spec"]["podSelector"]
    (names,) = selector["matchExpressions"]
    for item in (one(found, "Deployment"), one(found, "Job", hook=True)):
        labels = item["spec"]["template"]["metadata"]["labels"]
        assert selector["matchLabels"].items() <= labels.items()
        assert labels[names["key"]] in names["values"]


def test_service_and_pods_find_each_other() -> None:
    found = render(SHARED, {"podDisruptionBudget": {"enabled": True}, "networkPolicy": {"enabled": True}})
    deployment, service = one(found, "Deployment"), one(found, "Service")
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= labels
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
    assert one(found, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items() <= labels
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
    assert container(one(render(), "Deployment"))["image"] == f"llama-stack:{pin.llama_stack()}"
    for more, reference in (({"tag": "x"}, ":x"), ({"tag": "x", "digest": digest}, f"@{digest}")):
        deployment = one(render({"image": {**image, **more}}), "Deployment")
        assert container(deployment)["image"] == f"registry.example:5000/ai/llama-stack{reference}"


@pytest.mark.parametrize(
    ("release", "values"),
    [("r" * 53, {}), ("v1.2", {}), ("r", {"nameOverride": "n" * 63}), ("r", {"fullnameOverride": "n" * 63})],
)
def test_names_and_labels_are_valid(release: str, values: dict[str, Any]) -> None:
    for item in render(values, release=release):
        assert re.fullmatch(r"[a-z][-a-z0-9]{0,62}", item["metadata"]["name"])
        labels = item["metadata"]["labels"]
        if item["kind"] in ("Deployment", "Job"):
            labels = labels | item["spec"]["template"]["metadata"]["labels"]
        assert [value for value in labels.values() if len(value) > 63] == []


def test_notes_say_how_to_reach_it() -> None:
    assert "kubectl -n ai port-forward service/llama-stack 8321:8321" in notes()
    assert "https://chat.example/v1" in notes(
        {"ingress": {"enabled": True, "hosts": ["chat.example"], "tls": [{"hosts": ["chat.example"]}]}}
    )
    assert "get route llama-stack" in notes({"openshift": True, "route": {"enabled": True}})
    assert "https://llama-stack.ai.svc:8321/v1" in notes({"tls": {"secret": "s"}, "runConfig": {"server": TLS}})
    assert "gone when the pod is" in notes({"persistence": {"enabled": False}})


# Who gets in, and with which secrets.

SECRETS = "/etc/llama-stack-secrets"
READS_TOKENS = {"server": {"auth": {"provider_config": {"type": "static_token", "file": "${env.AUTH_TOKENS_FILE:=}"}}}}


def variables(item: Object) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container(item)["env"]}


def servers(values: dict[str, Any]) -> tuple[Object, Object]:
    """What serves, and what verifies."""
    found = render(values)
    return one(found, "Deployment"), one(found, "Job", hook=True)


def test_secrets_may_be_files_that_the_environment_only_names() -> None:
    files = {"VLLM_API_TOKEN": {"name": "vllm", "key": "token"}, "PGVECTOR_PASSWORD": None}
    for item in servers({"secretFiles": files}):
        assert variables(item) == {
            "RUN_CONFIG_PATH": "/etc/llama-stack/run.yaml",
            "VLLM_API_TOKEN_FILE": f"{SECRETS}/VLLM_API_TOKEN",
            "SHUTDOWN_GRACE_SECONDS": "45",
        }
        assert {"name": "secrets", "mountPath": SECRETS, "readOnly": True} in container(item)["volumeMounts"]
        (volume,) = [volume for volume in pod_spec(item)["volumes"] if volume["name"] == "secrets"]
        source = {"name": "vllm", "items": [{"key": "token", "path": "VLLM_API_TOKEN"}]}
        assert volume["projected"] == {"sources": [{"secret": source}]}


def test_tokens_are_a_file_that_may_change_while_it_is_mounted() -> None:
    values = {"auth": {"tokens": {"secret": "users", "key": "list"}}, "runConfig": READS_TOKENS}
    for item in servers(values):
        assert variables(item)["AUTH_TOKENS_FILE"] == f"{SECRETS}/auth-tokens"
        (volume,) = [volume for volume in pod_spec(item)["volumes"] if volume["name"] == "secrets"]
        source = {"name": "users", "items": [{"key": "list", "path": "auth-tokens"}]}
        assert volume["projected"] == {"sources": [{"secret": source}]}
        # A file that is mounted by its subPath would stay as it was.
        assert not [mount for mount in container(item)["volumeMounts"] if "subPath" in mount]


def test_tokens_of_an_issuer_need_its_address_and_the_private_ca() -> None:
    config = {
        "server": {"auth": {"provider_config": {"type": "oauth2_token", "jwks": {"uri": "${env.AUTH_JWKS_URL:=}"}}}}
    }
    issuer = {"jwksUrl": "https://issuer.example/keys", "issuer": "https://issuer.example", "audience": "ai"}
    for item in servers({"auth": issuer, "caBundle": {"configMap": "ca"}, "runConfig": config}):
        expected = {
            "AUTH_JWKS_URL": "https://issuer.example/keys",
            "AUTH_ISSUER": "https://issuer.example",
            "AUTH_AUDIENCE": "ai",
            "AUTH_CA_FILE": "/etc/ca-bundle/ca.crt",
        }
        assert expected.items() <= variables(item).items()


@pytest.mark.parametrize(
    ("policy", "rest"),
    [(None, [{"permit": {"paths": ["*"]}}]), ([{"permit": {"paths": ["/v1*"]}}], [{"permit": {"paths": ["/v1*"]}}])],
)
def test_routes_are_switched_off_before_any_are_permitted(policy: Any, rest: list[Any]) -> None:
    auth = {"provider_config": {"type": "custom", "endpoint": "http://auth"}, "route_policy": policy}
    found = render({"forbiddenRoutes": ["/v1/datasets*", "/v1/eval*"], "runConfig": {"server": {"auth": auth}}})
    for config in (one(found, "ConfigMap"), one(found, "ConfigMap", hook=True)):
        server = yaml.safe_load(config["data"]["run.yaml"])["server"]
        assert server["auth"]["route_policy"] == [{"forbid": {"paths": ["/v1/datasets*", "/v1/eval*"]}}, *rest]
        assert server["auth"]["provider_config"]["endpoint"] == "http://auth"
        assert server["port"] == 8321


def test_what_may_be_reached_and_sent_is_one_variable_each() -> None:
    outgoing = {"allow": ["10.20.0.0/16", "*.example"], "refuse": ["kubernetes.default.svc"]}
    limits = {"requestBytes": 67108864, "fileBytes": 10737418240, "concurrentRequests": 500}
    deployment, _ = servers({"outgoing": outgoing, "limits": limits})
    assert variables(deployment) == {
        "RUN_CONFIG_PATH": "/etc/llama-stack/run.yaml",
        "LLAMA_STACK_OUTGOING": "allow 10.20.0.0/16 *.example; refuse kubernetes.default.svc",
        "MAX_REQUEST_BYTES": "67108864",
        "FILES_MAX_BYTES": "10737418240",
        "MAX_CONCURRENT_REQUESTS": "500",
        "SHUTDOWN_GRACE_SECONDS": "45",
    }
    deployment, _ = servers({"storedCompletions": {"byDefault": False, "days": 30}})
    assert variables(deployment)["STORE_CHAT_COMPLETIONS"] == "false"
    assert variables(deployment)["STORED_COMPLETIONS_DAYS"] == "30"
    deployment, _ = servers({"outgoing": {"refuse": ["*"]}})
    assert variables(deployment)["LLAMA_STACK_OUTGOING"] == "refuse *"


@pytest.mark.parametrize(
    ("values", "grace", "period"),
    [({}, "45", 60), ({"shutdownGraceSeconds": 0}, "0", 15), ({"terminationGracePeriodSeconds": 300}, "45", 300)],
)
def test_kubernetes_waits_until_requests_in_flight_have_ended(values: Any, grace: str, period: int) -> None:
    deployment = one(render(values), "Deployment")
    assert variables(deployment)["SHUTDOWN_GRACE_SECONDS"] == grace
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == period


def test_notes_say_where_nobody_is_asked_for_a_token() -> None:
    said = "switches no authentication on"
    assert said in notes()
    assert said not in notes({"auth": {"tokens": {"secret": "t"}}, "runConfig": READS_TOKENS})
    assert said not in notes({"env": {"AUTH_TOKENS_FILE": "/x"}})
