"""Values that make no sense are refused with a message that says what to do."""

from typing import Any

import helm_python
import jsonschema
import pytest
import yaml

from tests.deploy.manifests import CHART, container, one, render

SHARED = {"stores": "shared", "persistence": {"enabled": False}}
AUTOSCALING = {"enabled": True}
SCALED: dict[str, Any] = {**SHARED, "env": {"POSTGRES_HOST": "x"}, "autoscaling": AUTOSCALING}
ROUTE = {"openshift": True}
TLS = {"runConfig": {"server": {"tls_certfile": "/tls.crt", "tls_keyfile": "/tls.key"}}}
TLS_ADVICE = "Set runConfig.server.tls_certfile: /etc/llama-stack-tls/tls.crt"


ISSUER = "https://issuer.example/keys"
NO_AUTH = {"server": {"auth": None}}
FILES = {"VLLM_API_TOKEN": {"name": "vllm", "key": "token"}}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"replicas": "three"}, "at '/replicas': got string, want integer"),
        ({"replicaCount": 3}, "additional properties 'replicaCount' not allowed"),
        ({"image": {"name": "x"}}, "at '/image': additional properties 'name' not allowed"),
        ({"image": {"repository": "x:1"}}, "at '/image/repository'"),
        ({"image": {"digest": "sha256:abc"}}, "at '/image/digest'"),
        ({"stores": "postgres"}, "at '/stores': value must be one of 'embedded', 'shared'"),
        ({"openshift": "yes"}, "at '/openshift'"),
        ({"env": {"A-B": "x"}}, "'A-B'"),
        ({"env": {"A": ["x"]}}, "at '/env/A'"),
        ({"env": {"A": {"name": "s", "key": "k"}}}, "at '/env/A'"),
        ({"service": {"port": 70000}}, "at '/service/port'"),
        ({"persistence": {"size": "ten"}}, "at '/persistence/size'"),
        ({"persistence": {"accessModes": ["RWO"]}}, "at '/persistence/accessModes/0'"),
        ({"probes": {"handler": "exec"}}, "at '/probes/handler'"),
        ({"runConfig": ["version: 2"]}, "at '/runConfig'"),
        ({"runConfig": {"providers": ["inference"]}}, "at '/runConfig"),
        ({"ingress": {"hosts": [{"host": "x"}]}}, "at '/ingress/hosts/0': got object, want string"),
        ({"imagePullSecrets": ["registry"]}, "at '/imagePullSecrets/0': got string, want object"),
        ({"image": {"repository": "https://registry/x"}}, "at '/image/repository'"),
        ({"image": {"repository": "registry/x/"}}, "at '/image/repository'"),
        ({"nameOverride": "a.b"}, "at '/nameOverride'"),
        ({"fullnameOverride": "1st"}, "at '/fullnameOverride'"),
        ({"commonLabels": {"cost center": "1"}}, "'cost center'"),
        ({"commonLabels": {"owner": "ai@corp.example"}}, "at '/commonLabels/owner'"),
        ({"podLabels": {"a": "x" * 64}}, "at '/podLabels/a'"),
        ({"podAnnotations": {"prometheus.io/scrape": True}}, "scrape': got boolean, want string"),
        ({"verification": {"podAnnotations": {"linkerd.io/inject": False}}}, "inject': got boolean, want string"),
        ({"nodeSelector": {"gpu": True}}, "at '/nodeSelector/gpu': got boolean, want string"),
        ({"resources": {"requests": {"cpu": "lots"}}}, "at '/resources/requests/cpu'"),
        ({"resources": {"requests": {"memory": "2GB"}}}, "at '/resources/requests/memory'"),
        ({"resources": {"limits": {"mem": "2Gi"}}}, "'mem'"),
        ({"verification": {"resources": {"cpu": 1}}}, "at '/verification/resources'"),
        ({"env": {"A": {"secretKeyRef": {"name": "s"}}}}, "missing property 'key'"),
        ({"persistence": {"size": "0Gi"}}, "at '/persistence/size'"),
        ({"persistence": {"size": "500m"}}, "at '/persistence/size'"),
        ({"podSecurityContext": {"readOnlyRootFilesystem": True}}, "at '/podSecurityContext'"),
        ({"podSecurityContext": {"runAsUser": "1001"}}, "at '/podSecurityContext/runAsUser'"),
        ({"securityContext": {"fsGroup": 1}}, "at '/securityContext'"),
        ({"service": {"extraPorts": [{"name": "a.b", "port": 1}]}}, "at '/service/extraPorts/0/name'"),
        ({"service": {"extraPorts": [{"name": "a", "port": 1, "target": 2}]}}, "'target' not allowed"),
        ({"ingress": {"hosts": ["https://a.example/x"]}}, "at '/ingress/hosts/0'"),
        ({"ingress": {"tls": [{"host": "a.example"}]}}, "at '/ingress/tls/0'"),
        ({"route": {"host": "a.example:443"}}, "at '/route/host'"),
        ({"podDisruptionBudget": {"maxUnavailable": "150%"}}, "at '/podDisruptionBudget/maxUnavailable'"),
        ({"probes": {"liveness": {"successThreshold": 2}}}, "at '/probes/liveness/successThreshold'"),
        ({"tolerations": [{"key": "a", "operator": "exists"}]}, "at '/tolerations/0/operator'"),
        ({"affinity": {"nodeAfinity": {}}}, "'nodeAfinity' not allowed"),
        ({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}]}, "'whenUnsatisfiable'"),
        ({"extraPodSpec": {"hostNetwork": True}}, "'hostNetwork' not allowed"),
        ({"extraPodSpec": {"containers": []}}, "'containers' not allowed"),
        ({"extraVolumes": [{"name": "My_Volume"}]}, "at '/extraVolumes/0/name'"),
        ({"extraVolumeMounts": [{"name": "a", "mountPath": "data"}]}, "at '/extraVolumeMounts/0/mountPath'"),
        ({"extraContainers": [{"name": "collector"}]}, "missing property 'image'"),
        ({"secretFiles": {"VLLM_API_TOKEN": {"name": "vllm"}}}, "missing property 'key'"),
        ({"secretFiles": {"vllm-token": {"name": "vllm", "key": "token"}}}, "invalid propertyName 'vllm-token'"),
        ({"auth": {"jwksUrl": "issuer.example"}}, "at '/auth/jwksUrl'"),
        ({"auth": {"token": {"secret": "s"}}}, "'token' not allowed"),
        ({"forbiddenRoutes": ["v1/datasets"]}, "at '/forbiddenRoutes/0'"),
        ({"outgoing": {"allow": ["*"]}}, "at '/outgoing/allow/0'"),
        ({"outgoing": {"refuse": ["a; allow b"]}}, "at '/outgoing/refuse/0'"),
        ({"limits": {"requestBytes": "64Mi"}}, "at '/limits/requestBytes'"),
    ],
)
def test_the_schema_refuses(values: dict[str, Any], message: str) -> None:
    with pytest.raises(helm_python.HelmValuesError) as refused:
        render(values)
    assert message in str(refused.value)


def test_the_schema_knows_every_value() -> None:
    with helm_python.Chart.load(CHART) as chart:
        schema, values = chart.schema, chart.values
    assert schema is not None
    jsonschema.Draft7Validator.check_schema(schema)

    def unknown(found: dict[str, Any], known: dict[str, Any], path: str = "") -> list[str]:
        if known.get("additionalProperties") is not False:
            return []
        properties = known["properties"]
        missing = [f"{path}{key}" for key in found if key not in properties]
        return missing + [
            below
            for key, value in found.items()
            if isinstance(value, dict) and key in properties
            for below in unknown(value, properties[key], f"{path}{key}.")
        ]

    assert unknown(values, schema) == []
    assert schema["properties"].keys() - values.keys() == {"global"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"replicas": 2}, "replicas: 2: embedded stores"),
        ({"autoscaling": {"enabled": True}}, "autoscaling.enabled: embedded stores"),
        (SHARED, "runConfig keeps state in SQLite (storage.backends: kv_default, sql_default). With the default"),
        ({**SHARED, "env": {"POSTGRES_HOST": "x"}, "persistence": {}}, "a ReadWriteOnce volume does not allow"),
        ({"runConfig": ""}, "runConfig is empty"),
        ({"env": {"RUN_CONFIG_PATH": "/x"}}, "env.RUN_CONFIG_PATH"),
        ({"env": {"LLAMA_STACK_CONFIG": "/x"}}, "env.LLAMA_STACK_CONFIG"),
        ({"env": {"LLAMA_STACK_PORT": "1"}}, "set runConfig.server.port"),
        ({"env": {"SHUTDOWN_GRACE_SECONDS": "1"}}, "env.SHUTDOWN_GRACE_SECONDS: another value"),
        ({"terminationGracePeriodSeconds": 30}, "at least 60 are needed"),
        ({"caBundle": {"configMap": "a", "secret": "b"}}, "configMap or secret, not both"),
        ({"tls": {"secret": "s"}}, TLS_ADVICE),
        ({"route": {"enabled": True}}, "this cluster is not OpenShift"),
        ({"ingress": {"enabled": True}}, "ingress.hosts is empty"),
        ({"serviceMonitor": {"enabled": True}}, "service.extraPorts has no port named metrics"),
        ({"podLabels": {"app.kubernetes.io/name": "x"}}, "podLabels: app.kubernetes.io/name is the chart's"),
        ({"commonLabels": {"helm.sh/chart": "x"}}, "commonLabels: helm.sh/chart is the chart's"),
        (
            {"verification": {"podLabels": {"app.kubernetes.io/component": "server"}}},
            "verification.podLabels: app.kubernetes.io/component is the chart's",
        ),
        ({"extraContainers": [{"name": "llama-stack", "image": "x"}]}, "a container named llama-stack is there"),
        ({"extraInitContainers": [{"name": "verify", "image": "x"}]}, "a container named verify is there"),
        ({"extraVolumes": [{"name": "data", "emptyDir": {}}]}, "a volume named data is there"),
        ({"extraVolumeMounts": [{"name": "a", "mountPath": "/a"}]}, "extraVolumes has no volume named a"),
        ({"extraVolumeMounts": [{"name": "tmp", "mountPath": "/data/"}]}, "something is mounted at /data already"),
        ({"service": {"extraPorts": [{"name": "http", "port": 1}]}}, "a port named http or of number 1 is there"),
        ({"service": {"extraPorts": [{"name": "a", "port": 8321}]}}, "a port named a or of number 8321 is there"),
        ({**SCALED, "autoscaling": {**AUTOSCALING, "maxReplicas": 1}}, "minReplicas 2 is more than maxReplicas 1"),
        ({**SCALED, "autoscaling": {**AUTOSCALING, "targetCPUUtilizationPercentage": 0}}, "has nothing to go by"),
        ({**SCALED, "resources": {"requests": {"cpu": None}}}, "needs resources.requests.cpu"),
        ({**ROUTE, "route": {"enabled": True, "termination": "reencrypt"}}, "reencrypt, but the server has no TLS"),
        ({**ROUTE, "route": {"enabled": True, "termination": "passthrough"}}, "passthrough, but the server has no"),
        ({**ROUTE, **TLS, "route": {"enabled": True, "termination": "edge"}}, "edge, but the server has TLS"),
        (
            {"auth": {"jwksUrl": ISSUER, "issuer": "i", "tokens": {"secret": "t"}}},
            "auth: jwksUrl and tokens.secret are",
        ),
        ({"auth": {"jwksUrl": ISSUER}}, "auth.issuer is empty"),
        ({"auth": {"audience": "a"}}, "auth.jwksUrl, which is empty"),
        ({"auth": {"tokens": {"secret": "t"}}, "runConfig": NO_AUTH}, "nobody would be asked for a token"),
        (
            {"auth": {"jwksUrl": ISSUER, "issuer": "i"}, "runConfig": "version: 2"},
            "runConfig does not read AUTH_JWKS_URL",
        ),
        (
            {"outgoing": {"refuse": ["*"]}, "env": {"LLAMA_STACK_OUTGOING": ""}},
            "env.LLAMA_STACK_OUTGOING: another value",
        ),
        ({"secretFiles": FILES, "env": {"VLLM_API_TOKEN": "x"}}, "secretFiles.VLLM_API_TOKEN: env.VLLM_API_TOKEN"),
        ({"secretFiles": FILES, "env": {"VLLM_API_TOKEN_FILE": "x"}}, "env.VLLM_API_TOKEN_FILE: another value"),
        (
            {"forbiddenRoutes": ["/v1/datasets"], "runConfig": "version: 2"},
            "Write `server.auth.route_policy` into yours",
        ),
        ({"forbiddenRoutes": ["/v1/h*"]}, "/v1/h* has /v1/health in it"),
    ],
)
def test_values_that_do_not_fit_together_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(helm_python.HelmRenderError) as refused:
        render(values)
    assert message in str(refused.value)


def test_a_release_whose_service_would_have_no_valid_name_is_refused() -> None:
    with pytest.raises(helm_python.HelmRenderError, match="release name 1st: a Service's name begins with a letter"):
        render(release="1st")
    assert render({"fullnameOverride": "first"}, release="1st")


@pytest.mark.parametrize("host", ["", None])
def test_state_stays_in_sqlite_where_the_variable_is_empty(host: str | None) -> None:
    with pytest.raises(helm_python.HelmRenderError, match="keeps state in SQLite"):
        render({**SHARED, "env": {"POSTGRES_HOST": host}})


@pytest.mark.parametrize(
    "key",
    [
        "imagePullSecrets",
        "commonLabels",
        "commonAnnotations",
        "podSecurityContext",
        "securityContext",
        "podLabels",
        "podAnnotations",
        "nodeSelector",
        "tolerations",
        "affinity",
        "topologySpreadConstraints",
        "extraPodSpec",
        "extraVolumes",
        "extraVolumeMounts",
        "extraInitContainers",
        "extraContainers",
        "secretFiles",
        "forbiddenRoutes",
    ],
)
def test_null_is_as_good_as_empty(key: str) -> None:
    assert render({key: None}) == render()


def test_null_takes_requests_and_limits_away() -> None:
    found = render({"resources": None})
    for item in (one(found, "Deployment"), one(found, "Job", hook=True)):
        assert container(item)["resources"] == {}


def test_null_takes_the_jobs_own_marks_away() -> None:
    found = render({"verification": {"podLabels": None, "podAnnotations": None, "resources": None}})
    template = one(found, "Job", hook=True)["spec"]["template"]["metadata"]
    assert "inject" not in yaml.safe_dump(template)


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(helm_python.HelmRenderError) as refused:
        render({"replicas": 2, "tls": {"secret": "s"}, "ingress": {"enabled": True}})
    assert str(refused.value).count("\n- ") == 3


@pytest.mark.parametrize(
    "config",
    [
        {"storage": {"stores": {"metadata": {"backend": "kv_default", "namespace": "x"}}}},
        "storage: {stores: {metadata: {backend: a}}, backends: {a: {type: kv_sqlite}}}",
    ],
)
@pytest.mark.parametrize("secret", ["", "holds-the-environment"])
def test_sqlite_by_name_is_never_shared(config: Any, secret: str) -> None:
    values = {**SHARED, "env": {"POSTGRES_HOST": "x"}, "existingSecret": secret, "runConfig": config}
    with pytest.raises(helm_python.HelmRenderError, match="keeps state in SQLite"):
        render(values)


def test_a_secret_may_hold_what_moves_the_state() -> None:
    assert render({**SHARED, "existingSecret": "holds-the-environment"})


@pytest.mark.parametrize("config", ["not: [yaml", "- a list\n", "just text", "storage: 1\nserver: text\n"])
def test_what_the_chart_cannot_read_is_left_to_verification(config: str) -> None:
    assert render({"runConfig": config})


def test_values_have_comments_that_the_readme_can_show() -> None:
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    described = {line.split("`")[1] for line in readme.splitlines() if line.startswith("| `")}

    def leaves(value: Any, path: str) -> list[str]:
        if path in described or not isinstance(value, dict) or not value:
            return [path]
        return [leaf for key, below in value.items() for leaf in leaves(below, f"{path}.{key}")]

    values = yaml.safe_load(text)
    missing = [leaf for key, value in values.items() for leaf in leaves(value, key) if leaf not in described]
    assert missing == []
