"""`python build.py` in a fresh clone makes its environment, whatever Python starts it and whoever the user is."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from builder import network
from tests.support import clones, image, intercepting_proxy, other_user
from tests.support.image import BuiltImage
from tests.support.other_user import OtherUser

VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
NOTE = "Preparing .venv from requirements/build.lock (once; build.py goes on by itself)\n"

ASKS_FOR_HOMES = """if True:
    from builder import engine
    from builder.registry import credentials
    from builder.registry.connection import Connection
    engine.find()
    account = credentials.find("registry.invalid", "team/demo")
    Connection("registry.invalid", account, plain_http=False)
    print(credentials.places())
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of this clone without anything that was made in it."""
    return clones.copy(tmp_path / "clone")


@pytest.mark.parametrize("version", VERSIONS)
def test_any_python_starts_it(clone: Path, version: str) -> None:
    python = python_of(version)

    first = _run([python, "build.py", "--help"], clone)
    second = _run([python, "build.py", "--help"], clone)

    assert (first.returncode, first.stderr) == (0, NOTE)
    assert "--tag NAME[:TAG]" in first.stdout
    assert network.HELP in first.stdout
    assert (second.returncode, second.stderr, second.stdout) == (0, "", first.stdout)


@pytest.mark.parametrize("user_of", [other_user.nobody, other_user.without_account])
def test_a_user_without_rights_or_home_starts_it(
    clone: Path, tmp_path: Path, user_of: Callable[[Path, Path], OtherUser]
) -> None:
    user = user_of(clone, tmp_path)

    done = _run([*user.command, str(user.python), "build.py", "--help"], clone, **user.environment)

    assert (done.returncode, done.stderr) == (0, NOTE)
    assert (clone / "build" / "uv-cache").is_dir()
    assert not (clone / "~").exists()


@pytest.mark.parametrize("closed", [False, True])
def test_a_uid_without_an_account_finds_engines_accounts_and_certificates(
    clone: Path, tmp_path: Path, closed: bool
) -> None:
    """Without HOME, or with one that it may not search, as after `su` without a login."""
    user = other_user.without_account(clone, tmp_path)
    somebodys = tmp_path / "somebody"
    somebodys.mkdir(mode=0o700)
    home = ["env", f"HOME={somebodys}", f"XDG_RUNTIME_DIR={somebodys}"] if closed else []
    asks = """if True:
        from builder import bootstrap
        bootstrap.enter_environment("build", ["-c", ASKS])
    """.replace("ASKS", repr(ASKS_FOR_HOMES))

    done = _run([*user.command, *home, str(user.python), "-c", asks], clone, **user.environment)

    assert (done.returncode, done.stderr.removeprefix(NOTE)) == (0, "")
    assert done.stdout.startswith("REGISTRY_USERNAME and REGISTRY_PASSWORD, DOCKER_AUTH_CONFIG")


def test_it_builds_behind_a_proxy_with_a_private_ca(built: BuiltImage, tmp_path: Path) -> None:
    clone = clones.copy(tmp_path / "clone", history=True)
    with intercepting_proxy.serve() as proxy:
        trusted = dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"), str(proxy.authority))
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy.address)
        nothing = {"SSL_CERT_DIR": str(tmp_path), "UV_CACHE_DIR": str(tmp_path / "cache"), "PIP_NO_CACHE_DIR": "1"}
        environment = trusted | proxies | nothing
        python = [python_of("3.12")]
        again = image.build(clone, tmp_path / "again.tar", "--no-verify", python=python, environment=environment)

    assert again.digest == built.digest
    assert proxy.opened


def _run(words: list[str], clone: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    return subprocess.run(
        words, cwd=clone, capture_output=True, text=True, check=False, env=inherited | environment, timeout=300
    )


def python_of(version: str) -> str:
    """A Python of this minor version that has pip: on PATH, or among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [shutil.which(f"python{version}"), *sorted(pyenv.glob(f"versions/{version}.*/bin/python"))]
    for candidate in candidates:
        if candidate and _run([str(candidate), "-m", "pip", "--version"], Path.cwd()).returncode == 0:
            return str(candidate)
    if sys.version_info[:2] == tuple(int(part) for part in version.split(".")):
        return sys.executable
    pytest.skip(f"this machine has no Python {version} with pip")
