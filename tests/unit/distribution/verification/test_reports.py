"""What a verdict looks like."""

import io
import json
from pathlib import Path

from distribution.verification.document import Source
from distribution.verification.findings import CODES, Severity
from distribution.verification.report import machine_report, termination_log, text_report
from distribution.verification.subject import Target
from distribution.verification.verify import Verdict, verify

FAULTY = """\
version: 2
image_name: faulty
apis: [inference, filez]
providers:
  inference:
  - provider_id: vllm
    provider_type: remote::vlm
  - provider_id: ${env.SECOND:+second}
    provider_type: remote::vllm
    config: {}
"""


def verdict(text: str = FAULTY) -> Verdict:
    return verify(Source(text, "run.yaml"), Target({}, here=False), "RUN_CONFIG_PATH")


def test_people_read_place_severity_message_advice_and_code() -> None:
    stream = io.StringIO()
    text_report.report(verdict(), stream=stream)
    text = stream.getvalue()
    assert "run.yaml:7:20: error: `remote::vlm` is no provider type of inference" in text
    assert (
        "(unknown-provider-type)\n    at providers.inference[0].provider_type\n    Did you mean `remote::vllm`?" in text
    )
    assert text.endswith("run.yaml cannot be served by this image: 3 errors, 2 info\n")
    assert "\x1b" not in text


def test_a_start_leaves_information_out() -> None:
    stream = io.StringIO()
    text_report.report(verdict(), with_information=False, stream=stream)
    assert "provider-off" not in stream.getvalue()
    assert stream.getvalue().endswith(": 3 errors\n")


def test_json_has_what_its_schema_says() -> None:
    parsed = json.loads(machine_report.as_json(verdict(), strict=False))
    assert parsed["file"] == "run.yaml"
    assert parsed["reason"] == "RUN_CONFIG_PATH"
    assert parsed["passes"] is False
    assert parsed["counts"] == {"error": 3, "warning": 0, "info": 2}
    assert parsed["findings"][0].keys() == {
        "code", "severity", "file", "line", "column", "path", "message", "advice"
    }  # fmt: skip
    assert {"api": "inference", "provider_id": "vllm", "provider_type": "remote::vlm", "state": "on"} in parsed[
        "providers"
    ]


def test_sarif_points_at_lines_and_explains_its_rules() -> None:
    run = json.loads(machine_report.as_sarif(verdict()))["runs"][0]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in run["results"]} == rules
    place = next(one for one in run["results"] if one["ruleId"] == "unknown-api")["locations"][0]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "run.yaml"},
        "region": {"startLine": 3, "startColumn": 19},
    }


def test_kubernetes_gets_the_most_severe_in_4096_bytes(tmp_path: Path) -> None:
    many = "providers:\n  inference:\n" + "".join(
        f"  - provider_id: p{number}\n    provider_type: remote::é{number}\n" for number in range(200)
    )
    log = tmp_path / "termination-log"
    log.write_text("of an earlier container " * 500)
    termination_log.write(text_report.termination_message(verdict(many)), log)
    message = log.read_bytes()
    assert 3500 < len(message) <= 4096
    assert message.decode().splitlines()[0].startswith("run.yaml cannot be served")
    assert message.decode().splitlines()[-1].endswith("more, in the log")


def test_one_endless_line_is_cut_between_characters(tmp_path: Path) -> None:
    log = tmp_path / "termination-log"
    log.touch()
    termination_log.write("é" * 5000, log)
    assert log.read_text() == "é" * 2048


def test_without_kubernetes_nothing_is_written(tmp_path: Path) -> None:
    termination_log.write("a message", tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


def test_a_strict_judge_minds_warnings() -> None:
    good = verdict((Path(__file__).parents[4] / "run.yaml").read_text() + "logging: {}\n")
    assert good.count(Severity.WARNING) == 1
    assert good.passes()
    assert not good.passes(strict=True)


def test_every_code_is_explained_in_the_docs() -> None:
    page = (Path(__file__).parents[4] / "docs/verification.md").read_text(encoding="utf-8")
    assert [code for code in CODES if f"`{code}`" not in page] == []
