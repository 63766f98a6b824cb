"""The network settings that pip and uv share; pip itself says what its settings are."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from builder import network

SYSTEM = {"UV_SYSTEM_CERTS": "1"}


@pytest.fixture
def pip_conf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Write the only pip.conf there is; without it pip has no setting. The machine's own variables do not count."""
    for name in os.environ:
        if name.startswith(("PIP_", "UV_", "SSL_", "XDG_")) or name.upper().endswith(("_PROXY", "_CA_BUNDLE")):
            monkeypatch.delenv(name)
    file = tmp_path / "pip.conf"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(network, "system_bundle", lambda: "/system/bundle.crt")
    monkeypatch.chdir(tmp_path)
    network.pip.cache_clear()

    def write(*lines: str) -> None:
        # Beside this file pip reads the machine's; a setting that one of these may hold is emptied first.
        empty = [
            f"{name} =" for name in ("extra-index-url", "find-links", "cert", "proxy") if name not in "".join(lines)
        ]
        file.write_text("\n".join(["[global]", *empty, *lines, ""]))
        monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
        network.pip.cache_clear()

    return write


@pytest.fixture(autouse=True)
def ask_again() -> object:
    yield
    network.pip.cache_clear()


def test_without_settings_the_systems_certificates_count(pip_conf: Callable[..., None]) -> None:
    assert network.for_uv() == SYSTEM
    assert network.for_pip() == {"PIP_CERT": "/system/bundle.crt"}
    assert network.indexes() == {}


def test_a_system_without_certificates_leaves_uv_its_own(
    pip_conf: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "system_bundle", lambda: None)
    assert network.for_uv() == {}
    assert network.for_pip() == {}


def test_uv_gets_what_pip_conf_says(pip_conf: Callable[..., None], tmp_path: Path) -> None:
    pip_conf(
        "index-url = https://robot:secret@index.test/simple",
        "extra-index-url = https://one.test/simple",
        "    https://two.test/simple",
        f"find-links = {tmp_path} /nowhere/wheels",
        "trusted-host = index.test other.test:8080",
        "cert = /corp/ca.pem",
        "client-cert = /corp/me.pem",
        "proxy = proxy.test:3128",
    )
    assert network.for_uv() == {
        "UV_DEFAULT_INDEX": "https://robot:secret@index.test/simple",
        "UV_INDEX": "https://one.test/simple https://two.test/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": str(tmp_path),
        "UV_INSECURE_HOST": "index.test other.test:8080",
        "SSL_CERT_FILE": "/corp/ca.pem",
        "SSL_CLIENT_CERT": "/corp/me.pem",
        "HTTP_PROXY": "http://proxy.test:3128",
        "HTTPS_PROXY": "http://proxy.test:3128",
    }
    assert network.for_pip() == {}


def test_pip_gets_what_uvs_variables_say(pip_conf: Callable[..., None]) -> None:
    environment = {
        "UV_DEFAULT_INDEX": "https://index.test/simple",
        "UV_INDEX": "corp=https://one.test/simple https://two.test/simple",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_INSECURE_HOST": "index.test",
        "SSL_CERT_FILE": "/corp/ca.pem",
    }
    assert network.for_pip(environment) == {
        "PIP_INDEX_URL": "https://index.test/simple",
        "PIP_EXTRA_INDEX_URL": "https://one.test/simple https://two.test/simple",
        "PIP_FIND_LINKS": "/wheels /more",
        "PIP_TRUSTED_HOST": "index.test",
        "PIP_CERT": "/corp/ca.pem",
    }


def test_an_own_index_of_uvs_is_not_mixed_with_pips(pip_conf: Callable[..., None], tmp_path: Path) -> None:
    pip_conf("index-url = https://pip.test/simple", "extra-index-url = https://extra.test/simple")
    assert network.for_uv({"UV_DEFAULT_INDEX": "https://uv.test/simple"}) == SYSTEM
    (tmp_path / ".config/uv").mkdir(parents=True)
    (tmp_path / ".config/uv/uv.toml").write_text('[[index]]\nurl = "https://uv.test/simple"\ndefault = true\n')
    assert network.for_uv({}) == SYSTEM


def test_an_extra_index_of_uvs_comes_before_pips(pip_conf: Callable[..., None]) -> None:
    pip_conf("index-url = https://pip.test/simple", "extra-index-url = https://extra.test/simple")
    found = network.for_uv({"UV_INDEX": "https://torch.test/cpu", "UV_INDEX_STRATEGY": "first-index"})
    assert found["UV_DEFAULT_INDEX"] == "https://pip.test/simple"
    assert found["UV_INDEX"] == "https://torch.test/cpu https://extra.test/simple"
    assert found["UV_INDEX_STRATEGY"] == "first-index"


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_comes_before_pips(pip_conf: Callable[..., None], variable: str) -> None:
    pip_conf("proxy = proxy.test:3128")
    assert network.proxy({}) == "http://proxy.test:3128"
    assert network.proxy({variable: "http://other.test"}) is None


def test_indexes_are_told_apart_without_their_passwords(pip_conf: Callable[..., None], tmp_path: Path) -> None:
    def indexes(password: str, uv_toml: str) -> dict[str, str]:
        pip_conf(f"index-url = https://robot:{password}@index.test/simple")
        (tmp_path / "uv.toml").write_text(uv_toml)
        return network.indexes({"UV_INDEX": f"cpu=https://robot:{password}@torch.test/cpu"})

    first = indexes("secret", "")
    assert first["UV_DEFAULT_INDEX"] == "https://index.test/simple"
    assert first["UV_INDEX"] == "cpu=https://torch.test/cpu"
    assert indexes("rotated", "") == first
    assert indexes("secret", "[[index]]\n") != first
