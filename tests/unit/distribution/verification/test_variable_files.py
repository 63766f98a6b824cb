"""Variables whose value is in a file."""

import os
from pathlib import Path
from typing import Any

import pytest
from llama_stack.core.stack import replace_env_vars

from distribution.verification.document import Source
from distribution.verification.expansion import expand
from distribution.verification.findings import Finding, Severity
from distribution.verification.masking import Masker
from distribution.verification.subject import Target
from distribution.verification.variable_files import variable_files
from distribution.verification.verify import verify

RUN_CONFIG = Path(__file__).parents[4] / "run.yaml"


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that WORD_FILE names."""
    path = tmp_path / "token"
    path.write_text("s3cr3t\n")
    monkeypatch.delenv("WORD", raising=False)
    monkeypatch.setenv("WORD_FILE", str(path))
    return path


def expanded(data: Any) -> Any:
    """What verification and llama-stack make of a config, which is the same."""
    ours = expand(data, os.environ, variable_files(data, os.environ)).data
    assert replace_env_vars(data) == ours
    return ours


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("s3cr3t\n", "s3cr3t"),
        ("s3cr3t", "s3cr3t"),
        ("s3cr3t\r\n\n", "s3cr3t"),
        (" two\nlines \n", " two\nlines "),
        ("0123", "0123"),
        ("1e5", "1e5"),
        ("true", "true"),
        ("~/x", "~/x"),
        ("${env.HOME}", "${env.HOME}"),
    ],
)
def test_a_file_gives_its_text_as_it_is(token: Path, content: str, value: str) -> None:
    token.write_bytes(content.encode())
    assert expanded({"a": ["${env.WORD}", "${env.WORD:=default}"]}) == {"a": [value, value]}


def test_it_is_a_part_of_a_text_or_a_switch(token: Path) -> None:
    token.write_text("12")
    assert expanded({"url": "${env.WORD}3", "on": "${env.WORD:+yes}"}) == {"url": "123", "on": "yes"}
    assert expanded([{"provider_id": "${env.WORD:+__disabled__}"}, {"provider_id": "b"}][1:]) == [{"provider_id": "b"}]


def test_the_environment_does_not_get_it(token: Path) -> None:
    assert expanded({"password": "${env.WORD}"}) == {"password": "s3cr3t"}
    assert "WORD" not in os.environ


def test_a_variable_of_the_config_is_no_path_to_a_secret(token: Path) -> None:
    assert expanded({"a": "${env.WORD:=}", "b": "${env.WORD_FILE}"}) == {"a": None, "b": str(token)}


def of_default_config(environment: dict[str, str], *, here: bool = True, severity: Severity) -> list[Finding]:
    target = Target({"VLLM_URL": "http://vllm:8000/v1", "SQLITE_STORE_DIR": "/tmp", **environment}, here=here)
    findings = verify(Source(RUN_CONFIG.read_text(), "run.yaml"), target).findings
    return [one for one in findings if one.code == "variable-file" and one.severity is severity]


def problem(environment: dict[str, str]) -> str:
    """The one thing that is wrong with VLLM_API_TOKEN."""
    (one,) = of_default_config(environment, severity=Severity.ERROR)
    line = RUN_CONFIG.read_text().splitlines()[one.line - 1]
    assert "${env.VLLM_API_TOKEN:=}" in line
    assert "VLLM_API_TOKEN_FILE" in one.message
    assert "s3cr3t" not in repr(one)
    return one.message


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"s3cr3t\xff", "not UTF-8"), (b"s3cr3t\0", "not UTF-8")],
)
def test_a_file_that_gives_no_value_is_named(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    message = problem({"VLLM_API_TOKEN_FILE": str(path)})
    assert str(path) in message
    assert why in message


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    large = tmp_path / "large"
    large.write_text("s3cr3t" * 200_000)
    for path, why in {
        tmp_path / "nowhere": "not there",
        tmp_path: "a directory",
        tmp_path / "pipe": "no regular file",
        large: "more than 1 MiB",
        tmp_path / ("x" * 300): "cannot be read",
    }.items():
        message = problem({"VLLM_API_TOKEN_FILE": str(path)})
        assert str(path) in message
        assert why in message


def test_a_secret_in_place_of_a_path_is_not_shown() -> None:
    assert "is no absolute path" in problem({"VLLM_API_TOKEN_FILE": "s3cr3t-token"})


def test_both_are_one_too_many(token: Path) -> None:
    assert "VLLM_API_TOKEN too" in problem({"VLLM_API_TOKEN_FILE": str(token), "VLLM_API_TOKEN": "s3cr3t"})


def test_elsewhere_it_is_said_what_is_not_known() -> None:
    environment = {"OPENAI_API_KEY_FILE": "/run/secrets/key", "PGVECTOR_DB_FILE": "/run/secrets/db"}
    assert of_default_config(environment, here=False, severity=Severity.ERROR) == []
    said = of_default_config(environment, here=False, severity=Severity.INFO)
    assert ["OPENAI_API_KEY" in said[0].message, "PGVECTOR_DB" in said[1].message] == [True, True]
    target = Target(environment, here=False)
    verdict = verify(Source(RUN_CONFIG.read_text(), "run.yaml"), target)
    assert verdict.passes(strict=True), verdict.findings
    assert {"openai", "pgvector"} <= {provider.provider_id for provider in verdict.providers}


def test_the_path_is_shown_and_the_content_masked(token: Path) -> None:
    environment = {"DB_PASSWORD_FILE": str(token)}
    files = variable_files("${env.DB_PASSWORD}", environment)
    masker = Masker({}, {**environment, **files.values})
    assert masker.text(f"{token}: s3cr3t") == f"{token}: ****"
    assert Masker({}, {"DB_PASSWORD_FILE": "s3cr3t"}).text("s3cr3t") == "****"
