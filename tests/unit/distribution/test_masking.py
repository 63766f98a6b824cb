"""Secrets appear nowhere."""

import json

import pytest

from distribution.verification import machine_report, text_report
from distribution.verification.document import Source
from distribution.verification.masking import Masker
from distribution.verification.subject import Target
from distribution.verification.verify import verify

CONFIG = """\
version: 2
image_name: "s3cr3t-of-the-config"
apis: [inference, s3cr3t-of-the-environment]
providers:
  inference:
  - provider_id: vllm
    provider_type: remote::s3cr3t-of-the-config
    config:
      url: http://user:s3cr3t-of-the-url@vllm:8000/v1
      api_token: s3cr3t-of-the-config
      max_tokens: s3cr3t-of-the-environment
  - provider_id: other
    provider_type: remote::vllm
    config:
      url: ${env.VLLM_URL:http://user:s3cr3t-of-the-url@vllm:8000/v1}
      api_token: ${env.TOKEN:s3cr3t-as-default}
      tls_verify: /s3cr3t-of-the-environment/ca.pem
server:
  auth:
    provider_config: {type: custom, endpoint: s3cr3t-of-the-config}
"""


def test_no_report_shows_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    environment = {"DATABASE_PASSWORD": "s3cr3t-of-the-environment"}
    verdict = verify(Source(CONFIG, "run.yaml"), Target(environment, here=False))
    text_report.report(verdict)
    printed = [
        capsys.readouterr().err,
        machine_report.as_json(verdict, strict=False),
        machine_report.as_sarif(verdict),
        text_report.termination_message(verdict),
    ]
    for text in printed:
        assert "****" in text
        assert "s3cr3t" not in text


def test_a_number_as_password_is_masked_as_well() -> None:
    masker = Masker({"password": 20250101}, {})
    assert masker.text("got 20250101 there") == "got **** there"


@pytest.mark.parametrize("name", ["max_tokens", "tokenizer", "keyfile", "tls_keyfile"])
def test_what_only_sounds_like_a_secret_is_shown(name: str) -> None:
    assert Masker({name: "ordinary"}, {}).text("ordinary") == "ordinary"


def test_the_name_of_a_variable_is_no_secret() -> None:
    assert Masker({"password": "${env.DB_PASSWORD}"}, {}).text("set DB_PASSWORD") == "set DB_PASSWORD"


def test_json_stays_json() -> None:
    verdict = verify(Source(CONFIG, "run.yaml"), Target({"A_SECRET": '"}]'}, here=False))
    assert json.loads(machine_report.as_json(verdict, strict=False))["passes"] is False
