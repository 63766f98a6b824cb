"""The run config on its way from values to the ConfigMap, through a real Helm."""

import shutil
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.deploy.manifests import CHART, ROOT, container, one, pod_spec, render

DEFAULT = yaml.safe_load((ROOT / "run.yaml").read_text(encoding="utf-8"))


def served(*values: Any) -> str:
    """The run config that the server is given."""
    return str(one(render(*values), "ConfigMap")["data"]["run.yaml"])


def test_by_default_it_is_the_repositorys() -> None:
    assert yaml.safe_load(served()) == DEFAULT


def test_a_values_file_changes_one_key_and_no_other() -> None:
    changed = yaml.safe_load(served({"runConfig": {"server": {"port": 9000}, "image_name": "mine"}}))
    assert changed == {**DEFAULT, "server": {**DEFAULT["server"], "port": 9000}, "image_name": "mine"}


def test_null_takes_a_key_away() -> None:
    changed = yaml.safe_load(served({"runConfig": {"storage": {"backends": {"kv_default": None}}}}))
    assert DEFAULT["storage"]["backends"].keys() - changed["storage"]["backends"].keys() == {"kv_default"}


@pytest.mark.parametrize(
    "text",
    [
        "version: 2\nimage_name: x\n",
        "# a comment\nversion:   2   \n\n\nimage_name: ${env.NAME:=}\n\n\n",
        "no newline at its end",
        "a: 1\r\nb: 2\r\n",
        "\ttabs: and {{ braces }}\n",
        "  indented: true\n  # last\n",
        "a: |\n  text\n",
        "umlauts: äöü €\n",
        "---\na: 1\n...\n",
        "not: [yaml\n",
    ],
)
def test_a_string_is_served_byte_for_byte(text: str) -> None:
    assert served({"runConfig": text}) == text


def test_big_numbers_empty_strings_and_variables_survive() -> None:
    config = {
        "version": 2,
        "image_name": "",
        "numbers": [0, -1, 1048576, 12345678, 100000000, 9007199254740991, 0.5, 1e6, 3.14159],
        "texts": ["", " ", "null", "true", "0", "007", "1e3", "~", "yes", "a: b", "# c", "{{ x }}", "line\nline\n"],
        "variables": ["${env.A}", "${env.A:=}", "${env.A:=value}", "${env.A:+b}", "x${env.A:=http://h:1/v1}y"],
        "empty": [{}, []],
    }
    changed = yaml.safe_load(served({"runConfig": config}))
    assert {key: changed[key] for key in config} == config


KEYS = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=8)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(1e-3, 1e12).map(lambda number: round(number, 3)),
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=12),
)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        KEYS,
        st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)),
        max_size=4,
    )
)
def test_whatever_a_map_holds_arrives(config: dict[str, Any]) -> None:
    assert yaml.safe_load(served({"runConfig": {"mine": config}}))["mine"] == config


def test_values_written_into_the_chart_arrive_too(tmp_path: Path) -> None:
    chart = shutil.copytree(CHART, tmp_path / "llama-stack")
    values = chart / "values.yaml"
    values.write_text(values.read_text(encoding="utf-8") + "  mine: {big: 1234567890123, empty: ''}\n")
    data = one(render(chart=chart), "ConfigMap")["data"]["run.yaml"]
    assert yaml.safe_load(data)["mine"] == {"big": 1234567890123, "empty": ""}


def test_a_number_that_helm_would_round_is_refused() -> None:
    with pytest.raises(helm_python.HelmError, match=r"runConfig\.mine\[0\]\.seed: Helm rounds numbers"):
        served({"runConfig": {"mine": [{"seed": 2**53 + 1}]}})


def test_it_is_mounted_where_the_server_is_told_to_look() -> None:
    deployment = one(found := render(), "Deployment")
    (volume,) = [item for item in pod_spec(deployment)["volumes"] if item["name"] == "run-config"]
    assert volume["configMap"]["name"] == one(found, "ConfigMap")["metadata"]["name"]
    assert volume["configMap"]["items"] == [{"key": "run.yaml", "path": "run.yaml"}]
    assert {"name": "run-config", "mountPath": "/etc/llama-stack", "readOnly": True} in container(deployment)[
        "volumeMounts"
    ]
    assert {"name": "RUN_CONFIG_PATH", "value": "/etc/llama-stack/run.yaml"} in container(deployment)["env"]


def test_a_change_rolls_the_pods_and_leaves_running_ones_their_config() -> None:
    before, after = render(), render({"runConfig": {"image_name": "other"}})
    templates = [one(found, "Deployment")["spec"]["template"] for found in (before, after)]
    assert templates[0]["metadata"]["annotations"] != templates[1]["metadata"]["annotations"]
    names = {one(found, "ConfigMap")["metadata"]["name"] for found in (before, after)}
    assert len(names) == 2
    assert one(before, "ConfigMap")["immutable"]


def test_an_existing_configmap_takes_its_place() -> None:
    found = render({"existingConfigMap": {"name": "mine", "key": "config.yaml"}})
    assert not [item for item in found if item["kind"] == "ConfigMap"]
    for item in (one(found, "Deployment"), one(found, "Job", hook=True)):
        (volume,) = [volume for volume in pod_spec(item)["volumes"] if volume["name"] == "run-config"]
        assert volume["configMap"] == {"name": "mine", "items": [{"key": "config.yaml", "path": "run.yaml"}]}
