"""Values that make no sense are refused with a message that says what to do."""

from typing import Any

import helm_python
import jsonschema
import pytest
import yaml

from tests.deploy.manifests import CHART, render

SHARED = {"stores": "shared", "persistence": {"enabled": False}}
TLS_ADVICE = "Set runConfig.server.tls_certfile: /etc/llama-stack-tls/tls.crt"


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
        ({"caBundle": {"configMap": "a", "secret": "b"}}, "configMap or secret, not both"),
        ({"tls": {"secret": "s"}}, TLS_ADVICE),
        ({"route": {"enabled": True}}, "this cluster is not OpenShift"),
        ({"ingress": {"enabled": True}}, "ingress.hosts is empty"),
        ({"serviceMonitor": {"enabled": True}}, "service.extraPorts has no port named metrics"),
    ],
)
def test_values_that_do_not_fit_together_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(helm_python.HelmRenderError) as refused:
        render(values)
    assert message in str(refused.value)


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
