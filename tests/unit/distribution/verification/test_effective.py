"""The config as it is served: YAML without secrets, and without what is off."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from distribution.launch.command_line import main
from distribution.verification.document import Source
from distribution.verification.effective import effective_config
from distribution.verification.masking import MASK
from distribution.verification.subject import Target

RUN_CONFIG = Path(__file__).parents[4] / "run.yaml"
SECRETS = {
    "POSTGRES_PASSWORD": "secret-of-postgres",
    "VLLM_API_TOKEN": "secret-of-vllm",
    "TAVILY_SEARCH_API_KEY": "secret-of-tavily",
    "AWS_SECRET_ACCESS_KEY": "secret-of-s3",
}


def effective(environment: dict[str, str] | None) -> Any:
    """Load the effective default config; no secret is in it."""
    text = effective_config(Source(RUN_CONFIG.read_text(), "run.yaml"), Target(environment, here=False))
    for secret in SECRETS.values():
        assert secret not in text
    return yaml.safe_load(text)


def test_variables_are_expanded_and_what_is_off_is_left_out() -> None:
    config = effective({"SQLITE_STORE_DIR": "/elsewhere"})

    providers = [entry["provider_id"] for entries in config["providers"].values() for entry in entries]
    assert "vllm" not in providers
    assert "faiss" in providers
    assert None not in providers
    assert config["storage"]["backends"]["kv_default"]["db_path"] == "/elsewhere/kvstore.db"
    assert config["registered_resources"].get("models", []) == []
    assert "provider_config" not in config["server"]["auth"]
    assert "${" not in yaml.safe_dump(config)


def test_secrets_are_masked() -> None:
    config = effective({**SECRETS, "VLLM_URL": "http://ann:pw-of-ann@vllm/v1", "AUTH_JWKS_URL": "https://issuer/keys"})

    (vllm,) = [entry for entry in config["providers"]["inference"] if entry["provider_id"] == "vllm"]
    assert vllm["config"]["api_token"] == MASK
    assert vllm["config"]["url"] == f"http://{MASK}@vllm/v1"
    assert config["server"]["auth"]["provider_config"]["type"] == "oauth2_token"
    assert config["storage"]["backends"]["sql_default_postgres"]["password"] == MASK


def test_of_an_unknown_environment_it_is_the_config_with_its_defaults() -> None:
    assert effective(None) == effective({})


def test_the_command_prints_it_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(RUN_CONFIG), "--print-effective", "--elsewhere", "--env", "VLLM_URL=http://v/v1"]) == 0

    printed = capsys.readouterr()
    assert yaml.safe_load(printed.out)["version"] == 2
    assert "can be served" in printed.err


def test_of_a_wrong_one_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.yaml").write_text("version: 2\n")

    assert main(["verify", str(tmp_path / "run.yaml"), "--print-effective", "--elsewhere"]) == 78

    printed = capsys.readouterr()
    assert printed.out == ""
    assert "error:" in printed.err
