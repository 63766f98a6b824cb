"""Secrets appear nowhere."""

import contextvars
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from distribution.verification.document import Source
from distribution.verification.masking import KnownNames, MaskedRecords, Masker, mask_logs, of_request
from distribution.verification.report import machine_report, text_report
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


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"VLLM_API_TOKEN": "vllm"}, "`vllm` (remote::vllm) of inference does not answer"),
        ({"POSTGRES_PASSWORD": "postgres"}, "There is no storage backend `kv_postgres`."),
        ({"OPENAI_API_KEY": "sentence"}, "inline::sentence-transformers is not shipped"),
    ],
)
def test_known_names_are_no_secrets(environment: dict[str, str], text: str) -> None:
    names = {"vllm", "remote::vllm", "postgres", "kv_postgres", "inline::sentence-transformers"}
    masker = Masker({}, environment, KnownNames(names))
    assert masker.text(text) == text


def test_a_secret_that_is_part_of_a_known_name_is_masked_elsewhere() -> None:
    masker = Masker({"password": "sentence"}, {}, KnownNames({"inline::sentence-transformers"}))
    assert masker.text("refused: sentence") == "refused: ****"


def test_a_report_names_providers_whatever_the_passwords_are() -> None:
    config = Path(__file__).parents[4] / "run.yaml"
    environment = {"VLLM_URL": "http://vllm:8000/v1", "VLLM_API_TOKEN": "vllm", "POSTGRES_PASSWORD": "postgres"}
    verdict = verify(Source(config.read_text(), "run.yaml"), Target(environment, here=False))
    assert "****" not in machine_report.as_json(verdict, strict=False)


def test_json_stays_json() -> None:
    verdict = verify(Source(CONFIG, "run.yaml"), Target({"A_SECRET": '"}]'}, here=False))
    assert json.loads(machine_report.as_json(verdict, strict=False))["passes"] is False


Log = tuple[logging.Logger, io.StringIO, MaskedRecords]


@pytest.fixture
def log() -> Iterator[Log]:
    """A logger of a process whose log is masked, what it has written, and what masks it."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logger = logging.getLogger("of a provider")
    logger.addHandler(handler)
    make = logging.getLogRecordFactory()
    yield logger, written, mask_logs(Masker({"password": "s3cr3t"}, {}))
    logging.setLogRecordFactory(make)
    logger.removeHandler(handler)


def test_a_provider_that_logs_its_config_gives_nothing_away(log: Log) -> None:
    logger, written, _ = log
    logger.error(f"config: host='db' password={'s3cr3t'!r}")
    logger.error("connecting with %s to %d", "s3cr3t", 5432)
    try:
        raise ValueError("password s3cr3t refused")
    except ValueError:
        logger.exception("it failed")
    text = written.getvalue()
    assert "s3cr3t" not in text
    assert "host='db' password='****'" in text
    assert "connecting with **** to 5432" in text
    assert "ValueError: password **** refused" in text


def test_masked_records_keep_the_shape_that_handlers_rely_on(log: Log) -> None:
    access = ("127.0.0.1:1", "GET", "/v1/files?token=s3cr3t", "1.1", 200)  # uvicorn's own formatter unpacks these
    record = logging.getLogRecordFactory()("a", logging.INFO, "file", 1, '%s - "%s %s HTTP/%s" %d', access, None)
    assert record.args == ("127.0.0.1:1", "GET", "/v1/files?token=****", "1.1", 200)


def test_ordinary_records_are_left_alone(log: Log) -> None:
    error = ValueError("no secret")
    record = logging.getLogRecordFactory()("a", logging.INFO, "file", 1, "%s", (error,), (ValueError, error, None))
    assert record.args == (error,)
    assert record.exc_info == (ValueError, error, None)


def test_tracebacks_are_left_out_where_a_report_follows_except_for_debugging(log: Log) -> None:
    logger, written, records = log
    for level in (logging.INFO, logging.DEBUG):
        logger.setLevel(level)
        with records.without_tracebacks():
            try:
                raise ValueError("no connection")
            except ValueError:
                logger.exception("it failed at %s", logging.getLevelName(level))
    text = written.getvalue()
    assert text.startswith("it failed at INFO\nit failed at DEBUG\nTraceback")
    assert text.count("Traceback") == 1


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("at http://user:s3cr3t@host/path", "at http://****@host/path"),
        ("at redis://user:s3cr@3t@host:1", "at redis://****@host:1"),
        ("GET /v1/files?api_key=s3cr3t&limit=2", "GET /v1/files?api_key=****&limit=2"),
        ("Authorization: Bearer s3cr3t-1", "Authorization: Bearer ****"),
        ("{'headers': {'Authorization': 's3cr3t'}, 'n': 1}", "{'headers': {'Authorization': '****'}, 'n': 1}"),
        (r'"{\"vllm_api_token\": \"s3cr3t\", \"n\": 1}"', r'"{\"vllm_api_token\": \"****\", \"n\": 1}"'),
        ("Config(password='s3cr3t', user='me')", "Config(password='****', user='me')"),
        ("a Bearer token is needed", "a Bearer token is needed"),
        ("max_tokens: '5'", "max_tokens: '5'"),
    ],
)
def test_what_is_written_as_a_secret_is_masked_whosever_it_is(text: str, masked: str) -> None:
    assert Masker({}, {}).text(text) == masked


@pytest.mark.parametrize(
    "piece", ["a", "a.b-", "token", "token ", "token=\\", "token:'", "?a", "a://", "a://b@", "Bearer ", "\\", "a\\'"]
)
def test_a_text_of_a_client_keeps_nobody_waiting(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))  # for hours, were it quadratic
    assert len(Masker({}, {}).text(text)) <= len(text) * 4


def test_what_a_request_brings_is_masked_while_it_lasts() -> None:
    masker = Masker({}, {})

    def text_of_request() -> str:
        of_request.set(frozenset({"key-of-the-request"}))
        return masker.text("refused: key-of-the-request")

    assert contextvars.copy_context().run(text_of_request) == "refused: ****"
    assert masker.text("refused: key-of-the-request") == "refused: key-of-the-request"


def test_data_is_masked_by_name_and_by_value() -> None:
    masker = Masker({"password": "s3cr3t"}, {})
    data = {"password": "other", "errors": [{"msg": "not s3cr3t", "loc": ("a", 1)}], "count": 3}
    assert masker.data(data) == {"password": "****", "errors": [{"msg": "not ****", "loc": ["a", 1]}], "count": 3}
