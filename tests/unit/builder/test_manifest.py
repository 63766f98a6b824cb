"""The manifest: reading distribution/build.yaml, and --with / --without."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from builder import manifest, paths, provider_types
from builder.errors import UsageError, UserFileError
from builder.provider_types import ProviderTypes

KNOWN = ProviderTypes(
    {
        "vector_io": {
            "inline::faiss": {"pip_packages": ["faiss-cpu"]},
            "inline::milvus": {"pip_packages": ["pymilvus"]},
        },
        "files": {"remote::s3": {"pip_packages": ["boto3"]}},
    }
)
GOOD = """\
version: 2
distribution_spec:
  description: test
  providers:
    vector_io:
    - provider_type: inline::faiss
    eval:
    - provider_type: remote::own
      module: own_package==1.0
"""


@pytest.fixture
def write(tmp_path: Path) -> Path:
    path = tmp_path / "build.yaml"
    path.write_text(GOOD)
    return path


def test_providers_keep_their_order_and_external_ones_their_package(write: Path) -> None:
    assert [(p.api, p.provider_type, p.module) for p in manifest.load(write, KNOWN).providers] == [
        ("vector_io", "inline::faiss", None),
        ("eval", "remote::own", "own_package==1.0"),
    ]


def test_every_unknown_provider_is_named_with_its_line_and_the_nearest(write: Path) -> None:
    write.write_text(
        GOOD.replace("inline::faiss", "inline::fais") + "    files:\n    - provider_type: remote::s4\n    - {}\n"
    )
    with pytest.raises(UserFileError) as caught:
        manifest.load(write, KNOWN)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{write}:6: ") and "did you mean inline::faiss" in lines[0]
    assert lines[1].startswith(f"{write}:11: ") and "remote::s3" in lines[1]
    assert lines[2].startswith(f"{write}:12: ") and "provider_type: TYPE" in lines[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 2\n", "not a build config"),
        ("version: [2\n", "is not YAML"),
        ("", "not a build config"),
        ("distribution_spec: {providers: [a]}\n", ":1: is not a build config"),
        ("\ta: 1\n", ":1: is not YAML"),
    ],
)
def test_a_malformed_file_is_one_message_with_the_line(write: Path, text: str, message: str) -> None:
    write.write_text(text)
    with pytest.raises(UserFileError) as caught:
        manifest.load(write, KNOWN)
    assert message in str(caught.value)
    assert caught.value.exit_code == 65


def test_with_and_without_change_one_build(write: Path) -> None:
    shipped = manifest.load(write, KNOWN)
    changed = shipped.changed(["vector_io=inline::milvus", "files=remote::s3"], ["vector_io=inline::faiss"], KNOWN)
    assert [str(provider) for provider in changed.providers] == [
        "eval=remote::own",
        "vector_io=inline::milvus",
        "files=remote::s3",
    ]
    in_image = yaml.safe_load(changed.text)["distribution_spec"]["providers"]
    assert in_image["eval"] == [{"provider_type": "remote::own", "module": "own_package==1.0"}]
    assert in_image["vector_io"] == [{"provider_type": "inline::milvus"}]


def test_no_change_is_the_very_same_manifest(write: Path) -> None:
    shipped = manifest.load(write, KNOWN)
    assert shipped.changed(["vector_io=inline::faiss"], [], KNOWN) is shipped


def test_every_impossible_choice_is_named_at_once(write: Path) -> None:
    shipped = manifest.load(write, KNOWN)
    with pytest.raises(UsageError) as caught:
        shipped.changed(["vectorio=inline::milvus", "files=remote::s3-filez"], ["vector_io=inline::fais"], KNOWN)
    text = str(caught.value)
    assert "did you mean vector_io?" in text
    assert "did you mean remote::s3?" in text
    assert "did you mean vector_io=inline::faiss?" in text


def test_a_choice_without_a_type_is_a_usage_error(write: Path) -> None:
    with pytest.raises(UsageError, match="expected API=TYPE"):
        manifest.load(write, KNOWN).changed(["vector_io"], [], KNOWN)


def test_the_shipped_manifest_is_readable() -> None:
    shipped = {str(provider) for provider in manifest.load(paths.BUILD_CONFIG, provider_types.load()).providers}
    assert {"inference=remote::vllm", "eval=remote::trustyai_lmeval", "batches=inline::reference"} <= shipped


def test_the_known_providers_are_those_of_the_registries() -> None:
    """The tests' environment has the image's llama-stack, so the registries are the real ones."""
    described = subprocess.run(
        [sys.executable, "-m", "providers.registry"], cwd=paths.ROOT, capture_output=True, text=True, check=True
    )
    assert described.stdout == paths.PROVIDERS.read_text(), "run: python build.py lock"
