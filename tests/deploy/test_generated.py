"""What is made from other files is up to date."""

from pathlib import Path

import pytest
import yaml

from deploy.update import CHART, GENERATED, ROOT, blocks, environment_table, versions


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_is_up_to_date(path: Path) -> None:
    now = path.read_text(encoding="utf-8")
    assert now == GENERATED[path](now), "run: .venv/bin/python -m deploy.update"


def test_the_values_hold_the_whole_run_config() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert values["runConfig"] == yaml.safe_load((ROOT / "run.yaml").read_text(encoding="utf-8"))


def test_every_variable_of_the_run_config_is_in_the_table() -> None:
    text = "".join(
        line for line in (ROOT / "run.yaml").read_text(encoding="utf-8").splitlines(keepends=True) if "#" not in line
    )
    page = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
    names = {part.split("}")[0].split(":")[0] for part in text.split("${env.")[1:]}
    assert len(names) > 40
    assert {name for name in names if f"| `{name}`" not in page} == set()


def test_what_a_variable_does_is_read_from_the_run_config() -> None:
    config = """
providers:
  files:
  - {provider_id: disk, provider_type: "inline::files"}
  - provider_id: ${env.BUCKET:+s3}
    provider_type: remote::s3
    config: {bucket: "${env.BUCKET:=}", key: "${env.BUCKET_KEY}", region: "${env.REGION:=here}"}
"""
    bucket, key, region = environment_table.variables(config)
    assert (bucket.name, bucket.switches_on, bucket.switches_off) == (
        "BUCKET",
        ["providers.files[s3]"],
        ["providers.files[disk]"],
    )
    assert bucket.places == ["providers.files[s3].config.bucket"]
    assert (key.name, key.is_secret, bucket.is_secret) == ("BUCKET_KEY", True, False)
    assert (region.default, region.places) == ("here", ["providers.files[s3].config.region"])


def test_manifests_name_the_pinned_version() -> None:
    named = {path.relative_to(ROOT / "deploy").parts[0] for path in versions.files(ROOT / "deploy")}
    assert named == {"helm", "kustomize", "operator", "run-config"}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("appVersion: 1.0\n", "appVersion: 2.0rc1\n"),
        ("    app.kubernetes.io/version: 1.0\n", "    app.kubernetes.io/version: 2.0rc1\n"),
        ("        image: llama-stack:1.0\n", "        image: llama-stack:2.0rc1\n"),
        ("  newName: llama-stack\n  newTag: 1.0\n", "  newName: llama-stack\n  newTag: 2.0rc1\n"),
        ("  newName: registry.internal/llama-stack\n  newTag: 1.0\n", None),
        ("        image: registry.internal/llama-stack:1.0\n", None),
        ("        image: llama-stack:mine\n", None),
    ],
)
def test_a_version_is_written_where_the_image_has_no_name_of_its_own(line: str, wanted: str | None) -> None:
    assert versions.with_version(line, "2.0rc1") == (wanted or line)


def test_a_page_without_its_marks_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs one line"):
        blocks.replace("no marks\n", "begin", "end", "content\n")
