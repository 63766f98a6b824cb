"""The image's command line, as far as it goes without serving."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from distribution.launch.command_line import main

REPOSITORY = Path(__file__).parents[4]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "distribution", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["--help"])
    assert leaving.value.code == 0
    text = capsys.readouterr().out
    for word in ("verify", "providers", "RUN_CONFIG_PATH", "LLAMA_STACK_PORT", "78"):
        assert word in text


def test_a_config_that_is_not_there_is_never_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["/nowhere/run.yaml"]) == 78
    assert main(["--config", "/nowhere/run.yaml", "--port", "9000"]) == 78
    assert main(["--yaml-config", "/nowhere/run.yaml"]) == 78
    assert capsys.readouterr().err.count("/nowhere/run.yaml") == 3


def test_an_unknown_word_names_the_near_match(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["provider"]) == 2
    assert "Did you mean `providers`?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--port", "http"], "'http' is not a port number"),
        (["--env", "NAME"], "'NAME' is not NAME=VALUE"),
        (["a.yaml", "--config", "b.yaml"], "two run configs were given"),
        (["verify", "a.yaml", "--config", "b.yaml"], "two run configs were given"),
    ],
)
def test_wrong_arguments(arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert leaving.value.code == 2
    assert word in capsys.readouterr().err


@pytest.mark.parametrize("place", [["--elsewhere"], []], ids=["elsewhere", "here"])
def test_verify_takes_a_variable_over_the_file_of_variables(place: list[str], tmp_path: Path) -> None:
    config, variables = tmp_path / "run.yaml", tmp_path / "variables"
    config.write_text((REPOSITORY / "run.yaml").read_text())
    variables.write_text(f"VLLM_URL=http://a..b/v1\nSQLITE_STORE_DIR={tmp_path}\nFILES_STORAGE_DIR={tmp_path}\n")
    command = ["verify", str(config), "--json", *place, "--env-file", str(variables)]
    wrong, right = run(*command), run(*command, "--env", "VLLM_URL=http://vllm:8000/v1")
    assert [one["code"] for one in json.loads(wrong.stdout)["findings"] if one["severity"] == "error"]
    assert json.loads(right.stdout)["counts"]["error"] == 0


def test_another_program_is_executed() -> None:
    ran = run(sys.executable, "-c", "print('here')", "--port")
    assert (ran.returncode, ran.stdout) == (0, "here\n")


def test_providers_lists_what_is_shipped() -> None:
    listed = json.loads(run("providers", "--json").stdout)
    assert {"api": "files", "provider_type": "remote::s3", "module": None} in listed
    assert "remote::vllm" in run("providers").stdout


def test_with_json_lines_a_wrong_config_is_a_line_for_each_finding(tmp_path: Path) -> None:
    config = REPOSITORY / "tests" / "scenarios" / "five-faults" / "run.yaml"
    command = [sys.executable, "-m", "distribution", str(config)]
    environment = {**os.environ, "LOG_FORMAT": "json", "SQLITE_STORE_DIR": str(tmp_path)}
    ended = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 78
    entries = [json.loads(line) for line in ended.stderr.splitlines()]
    assert {entry["level"] for entry in entries} == {"ERROR"}
    assert len([entry for entry in entries if ": error: " in entry["message"]]) == 5
    assert "cannot be served by this image: 5 errors" in entries[-1]["message"]
