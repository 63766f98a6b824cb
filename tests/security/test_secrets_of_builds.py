"""What a build is told to reach an index, a mirror or a registry with is in nothing that it prints or makes."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from builder import paths
from tests.support.image import TAG, BuiltImage
from tests.support.process import LOOPBACK

SECRET = "canary-of-the-build-9f3"
NOWHERE = f"http://user:{SECRET}@{LOOPBACK}:9"  # where nobody listens


def run(*arguments: str, environment: Mapping[str, str]) -> CompletedProcess[str]:
    """Run build.py, tracebacks and all."""
    return subprocess.run(
        [sys.executable, "build.py", *arguments],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DEBUG": "1", **environment},
    )


def test_an_image_is_the_same_with_and_without_credentials(built: BuiltImage, tmp_path: Path) -> None:
    """Nothing that was built is downloaded again, so that nobody has to listen at these addresses."""
    environment = {
        "PIP_EXTRA_INDEX_URL": f"{NOWHERE}/extra/simple",
        "DEBIAN_SNAPSHOT": f"{NOWHERE}/snapshot",
        "REGISTRY_USERNAME": "user",
        "REGISTRY_PASSWORD": SECRET,
        "UV_INDEX_PRIVATE_PASSWORD": SECRET,
    }

    done = run(*("--tag", TAG, "--output", str(tmp_path / "image.tar"), "--json", "--no-load"), environment=environment)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"][0]["digest"] == built.digest
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--with", "vector_io=inline::milvus"], {"UV_DEFAULT_INDEX": f"{NOWHERE}/simple"}),
        (["--with", "vector_io=inline::milvus"], {"PIP_INDEX_URL": f"{NOWHERE}/simple"}),
        (["--with", "vector_io=inline::milvus"], {"HTTPS_PROXY": NOWHERE, "HTTP_PROXY": NOWHERE}),
        (["lock"], {"DEBIAN_MIRROR": f"{NOWHERE}/debian"}),
        (["--base-image", f"{LOOPBACK}:9/base:1"], {"REGISTRY_USERNAME": "user", "REGISTRY_PASSWORD": SECRET}),
    ],
    ids=["uv", "pip", "proxy", "debian", "registry"],
)
def test_a_build_that_fails_shows_no_credentials(
    arguments: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    tag = [] if arguments == ["lock"] else ["--tag", "unbuilt:1", "--no-load"]
    quick = {"UV_CACHE_DIR": str(tmp_path), "UV_HTTP_TIMEOUT": "2", "UV_HTTP_RETRIES": "0", "PIP_RETRIES": "0"}

    done = run(*arguments, *tag, environment={**quick, **environment})

    assert done.returncode == 69, done.stderr
    assert f"{LOOPBACK}:9" in done.stderr or "Connection refused" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_the_image_names_no_place_that_it_was_built_from(built: BuiltImage) -> None:
    config = json.dumps(built.config)
    assert "://" not in config.replace("https://github.com/", "")
    assert not list(built.root.rglob("direct_url.json"))
    for name in ("pip.conf", "uv.toml", ".netrc", "sources.list", "*.sources"):
        assert [path for path in built.root.rglob(name) if path.is_file()] == []
