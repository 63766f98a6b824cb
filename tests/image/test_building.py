"""Builds as a whole: the same digest elsewhere, quick when little changed, and clear when they cannot go on.

Each test works in a copy of this clone, so that the copy's state is its own.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from builder import paths
from tests.support import clones, image, image_files, other_user, small_image
from tests.support.image import TAG, BuiltImage
from tests.support.process import hear_interrupts

SCENARIOS = Path(__file__).parents[1] / "scenarios"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of this clone that shares its environment and nothing else."""
    return clones.copy(tmp_path / "clone with a space", history=True, environment=True)


@pytest.fixture
def warm_clone(clone: Path, built: BuiltImage) -> Iterator[Path]:
    """A copy that has built this image before: it starts from this clone's stages and layers."""
    for name in ("stages", "blobs", "downloads", "verdicts"):
        (clone / "build").mkdir(exist_ok=True)
        (clone / "build" / name).symlink_to(paths.BUILD / name)
    yield clone


def _build(
    clone: Path, *options: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "build.py", "--tag", TAG, "--no-load", *options],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )


def test_another_user_path_clock_locale_and_umask_give_the_same_digest(
    built: BuiltImage, clone: Path, tmp_path: Path
) -> None:
    (clone / ".venv").unlink()
    user = other_user.nobody(clone, tmp_path)
    strange = {"TZ": "Pacific/Chatham", "LC_ALL": "C", "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1"}
    strange["GLIBC_TUNABLES"] = "glibc.cpu.hwcaps=-AVX2,-AVX512F,-ERMS"
    before = os.umask(0o077)
    try:
        again = image.build(
            clone,
            clone / "again.tar",
            *("--locked", "--no-verify"),
            python=[*user.command, str(user.python)],
            environment=strange | user.environment,
        )
    finally:
        os.umask(before)
    assert again.digest == built.digest, image_files.difference(built.archive, again.archive)


WITHOUT_NAMESPACES = (
    *("unshare", "--user", "--map-root-user", "sh", "-ec"),
    'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"',
    "sh",
)
"""What stands before a command that shall not be able to make user namespaces: the limit counts below it alone."""


def test_without_user_namespaces_the_bases_own_python_compiles_and_verifies(built: BuiltImage, clone: Path) -> None:
    (clone / "build").mkdir()
    (clone / "build" / "downloads").symlink_to(paths.DOWNLOADS)
    no_other_python = {"PATH": "/usr/bin:/bin", "UV_PYTHON_DOWNLOADS": "never"}
    python = [*WITHOUT_NAMESPACES, sys.executable]
    again = image.build(clone, clone / "again.tar", python=python, environment=no_other_python)
    assert again.digest == built.digest, image_files.difference(built.archive, again.archive)
    assert again.result["verified"] is None, "there was a sandbox all the same"

    for config, code in ((clone / "run.yaml", 0), (SCENARIOS / "five-faults" / "run.yaml", 78)):
        words = ["build.py", "verify", "--config", str(config), "--json"]
        asked = [
            subprocess.run(
                [*command, *words], cwd=clone, env=os.environ | no_other_python, capture_output=True, check=False
            )
            for command in ([sys.executable], python)
        ]
        assert [done.returncode for done in asked] == [code, code], asked[1].stderr.decode()
        reports = [json.loads(done.stdout)["findings"] for done in asked]
        assert reports[0] == reports[1]


def test_a_difference_is_named(tmp_path: Path) -> None:
    one = small_image.write(tmp_path / "one", "demo:1", layers={"wheels": 10, "gone": 10}, config=b"a").path
    other = small_image.write(tmp_path / "other", "demo:1", layers={"wheels": 20, "base": 10}, config=b"b").path
    said = image_files.difference(one, other)
    assert said.splitlines()[:-1] == [
        "base: only in the second",
        "gone: only in the first",
        "run.yaml: content",
        "wheels: content",
    ]
    assert said.splitlines()[-1].startswith("history: ")
    assert image_files.difference(one, one) == ""


def test_after_a_change_to_run_yaml_only_the_last_layer_is_new(built: BuiltImage, warm_clone: Path) -> None:
    run_config = warm_clone / "run.yaml"
    run_config.write_text(run_config.read_text() + "# changed\n")
    again = image.build(warm_clone, warm_clone / "again.tar")
    assert again.digest != built.digest
    before, after = built.config["rootfs"]["diff_ids"], again.config["rootfs"]["diff_ids"]
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]


def test_an_interrupted_build_leaves_no_archive_and_the_next_one_works(warm_clone: Path) -> None:
    (warm_clone / "run.yaml").write_text((warm_clone / "run.yaml").read_text() + "# another\n")
    command = [sys.executable, "build.py", "--tag", TAG, "--no-load"]
    process = subprocess.Popen(
        command,
        cwd=warm_clone,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hear_interrupts,
    )
    deadline = time.monotonic() + 120
    while not list(warm_clone.glob("dist/.*.tar.*")) and time.monotonic() < deadline:  # being written or verified
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
    assert not list((warm_clone / "dist").iterdir())
    done = _build(warm_clone)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (warm_clone / "dist").iterdir()] == ["llama-stack-under-test-1.tar"]


def test_an_image_that_does_not_start_is_not_kept(warm_clone: Path) -> None:
    (warm_clone / "run.yaml").write_text("version: 2\nimage_name: broken\nproviders: {}\n")
    done = _build(warm_clone)
    assert done.returncode == 1
    assert "its log ends with" in done.stderr
    assert "storage" in done.stderr
    assert not list((warm_clone / "dist").iterdir())


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"UV_INDEX_URL": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}, "the wheels could not be staged"),
        ({"DEBIAN_MIRROR": "http://127.0.0.1:9/debian"}, "Connection refused"),
    ],
)
def test_a_service_that_does_not_answer_is_named(
    clone: Path, tmp_path: Path, environment: dict[str, str], message: str
) -> None:
    done = _build(clone, environment={**environment, "UV_CACHE_DIR": str(tmp_path / "cache")})
    assert done.returncode == 69, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (clone / "dist").exists()


def test_fewer_providers_are_built_without_a_network(warm_clone: Path) -> None:
    nowhere = dict.fromkeys(
        ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9"
    )
    done = _build(
        warm_clone,
        *("--without", "eval=remote::trustyai_lmeval"),
        environment=nowhere | {"UV_HTTP_RETRIES": "0", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
    )
    assert done.returncode == 0, done.stderr
    assert "trustyai_lmeval" not in done.stdout
    (lock,) = (warm_clone / "build" / "locks").iterdir()
    assert "llama-stack-provider-lmeval==" not in lock.read_text()


def test_a_wheel_that_is_not_the_locked_one_is_refused(clone: Path, tmp_path: Path) -> None:
    lock = clone / "requirements" / "image.lock"
    name, _, rest = lock.read_text().partition("uvicorn==")
    version, _, rest = rest.partition(" \\\n")
    end = rest.index("\n", rest.rindex("--hash", 0, rest.index("==")))
    lock.write_text(f"{name}uvicorn=={version} \\\n    --hash=sha256:{'0' * 64}{rest[end:]}")
    done = _build(clone, environment={"UV_CACHE_DIR": str(tmp_path / "cache")})
    assert done.returncode == 1, done.stderr
    assert "not the file that was locked" in done.stderr
    assert "uvicorn" in done.stderr
    assert "0" * 64 in done.stderr


@pytest.mark.parametrize(
    ("file", "text", "code", "message"),
    [
        ("distribution/build.yaml", "version: [2\nx: y\n", 65, "distribution/build.yaml:2: is not YAML"),
        ("run.yaml", "version: [2\nx: y\n", 78, "run.yaml:2: is not YAML"),
        ("requirements/image.in", "llama-stack\nuvicorn<1\n", 65, "run: python build.py lock"),
        ("requirements/image.lock", None, 65, "image.lock: the lock is missing"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(clone: Path, file: str, text: str | None, code: int, message: str) -> None:
    if text is None:
        (clone / file).unlink()
    else:
        (clone / file).write_text(text)
    done = _build(clone)
    assert done.returncode == code, done.stderr
    assert message in done.stderr.replace(f"{clone}/", "")
    assert not (clone / "build" / "stages").exists()


def test_an_unknown_provider_is_refused_with_the_nearest(clone: Path) -> None:
    done = _build(clone, "--with", "vector_io=inline::milvos")
    assert done.returncode == 2
    assert "did you mean inline::milvus" in done.stderr
