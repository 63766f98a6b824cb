"""Which account a registry gets, from which file."""

import base64
import json
import pwd
from pathlib import Path

import pytest

from builder import paths
from builder.errors import UsageError, UserFileError
from builder.registry import credentials


def _auth(name: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{name}:secret".encode()).decode()}


def _write(path: Path, *keys: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": {key: _auth(f"{path.stem} {key}".replace(":", ";")) for key in keys}}))


def _found(environment: dict[str, str], host: str = "reg.internal:5000", repository: str = "team/demo") -> str | None:
    account = credentials.find(host, repository, environment)
    return account.username.replace(";", ":") if account else None


def test_the_first_file_that_knows_the_registry_counts(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path)}
    assert _found(environment) is None
    _write(tmp_path / ".docker/config.json", "reg.internal:5000", "https://index.docker.io/v1/")
    _write(tmp_path / ".config/containers/auth.json", "other.internal")
    assert _found(environment) == "config reg.internal:5000"
    assert _found(environment, "docker.io") == "config https://index.docker.io/v1/"
    _write(tmp_path / ".config/containers/auth.json", "reg.internal:5000")
    assert _found(environment) == "auth reg.internal:5000"
    environment["DOCKER_AUTH_CONFIG"] = json.dumps({"auths": {"reg.internal:5000": _auth("variable")}})
    assert _found(environment) == "variable"


def test_a_chosen_file_is_the_only_one(tmp_path: Path) -> None:
    _write(tmp_path / ".docker/config.json", "reg.internal:5000")
    _write(tmp_path / "chosen.json", "other.internal")
    assert _found({"HOME": str(tmp_path), "REGISTRY_AUTH_FILE": str(tmp_path / "chosen.json")}) is None


def test_an_entry_for_a_repository_is_for_that_one_alone(tmp_path: Path) -> None:
    host = "reg.internal:5000"
    _write(tmp_path / "a.json", f"{host}/team", f"{host}/team/demo")
    environment = {"REGISTRY_AUTH_FILE": str(tmp_path / "a.json")}
    assert _found(environment) == f"a {host}/team/demo"
    assert _found(environment, repository="team/other") == f"a {host}/team"
    assert _found(environment, repository="teammates/other") is None


@pytest.mark.parametrize(
    "content", ["{", '{"auths": {"reg.internal:5000": {"auth": "%%%"}}}', '{"auths": {"a": 1}}', "[1]"]
)
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "auth.json"
    file.write_text(content)
    with pytest.raises(UserFileError, match=r"auth.json: is not an auth file") as caught:
        _found({"REGISTRY_AUTH_FILE": str(file)})
    assert "docker login reg.internal:5000" in caught.value.advice


def test_a_helper_that_is_missing_is_named(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"credsStore": "nowhere-to-be-found"}))
    with pytest.raises(UserFileError, match="docker-credential-nowhere-to-be-found not installed"):
        _found({"REGISTRY_AUTH_FILE": str(file)})


def test_half_an_account_in_the_environment_is_an_error() -> None:
    assert credentials.of_environment({}) is None
    with pytest.raises(UsageError, match="REGISTRY_USERNAME is set"):
        credentials.of_environment({"REGISTRY_USERNAME": "robot"})
    account = credentials.of_environment({"REGISTRY_USERNAME": "robot", "REGISTRY_PASSWORD": "secret"})
    assert account
    assert account.username == "robot"
    assert "secret" not in repr(account)


def test_a_uid_without_an_account_or_home_has_the_environments_and_the_systems(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: {}[uid])
    assert paths.home() is None
    assert "~" not in credentials.places({})
    _write(tmp_path / "containers/auth.json", "reg.internal:5000")
    assert _found({"XDG_CONFIG_HOME": str(tmp_path)}) == "auth reg.internal:5000"
