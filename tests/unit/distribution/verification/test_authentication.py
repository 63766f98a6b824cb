"""What verification says of who gets in, where that depends on more than the run config."""

from pathlib import Path

import pytest

from distribution.upstream.routes import paths
from distribution.upstream.server_settings import EVERYWHERE
from distribution.verification.checks.route_policy import may_match
from distribution.verification.document import Source
from distribution.verification.findings import Finding, Severity
from distribution.verification.subject import Address, Target
from distribution.verification.verify import verify

RUN_CONFIG = (Path(__file__).parents[4] / "run.yaml").read_text(encoding="utf-8")


def findings(target: Target, config: str = RUN_CONFIG) -> list[Finding]:
    found = verify(Source(config, "run.yaml"), target).findings
    return [one for one in found if one.code in ("auth", "auth-unchecked", "open-server", "unknown-key")]


@pytest.mark.parametrize(
    ("host", "severity"),
    [
        (EVERYWHERE, Severity.WARNING),
        ("::", Severity.WARNING),
        ("10.0.0.7", Severity.WARNING),
        ("127.0.0.1", None),
        ("127.0.0.2", None),
        ("::1", None),
        ("localhost", None),
    ],
)
def test_a_start_warns_where_others_reach_the_server(host: str, severity: Severity | None) -> None:
    found = findings(Target({}, here=False, address=Address(host, 8321)))
    assert [one.severity for one in found] == ([severity] if severity else [])
    for said in found:
        assert f"listens on {host}" in said.message
        assert "Set AUTH_JWKS_URL or AUTH_TOKENS_FILE" in said.advice


def test_without_a_start_it_is_information() -> None:
    assert [one.severity for one in findings(Target({}, here=False))] == [Severity.INFO]
    assert findings(Target({}, here=False), RUN_CONFIG.replace("  port: 8321", "  port: 8321\n  host: ::1")) == []


def test_of_an_environment_that_nobody_knows_nothing_is_said() -> None:
    assert findings(Target(None, here=False)) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("s3cr3t-but-short", ""),
        ("s3cr3t", "line 1 has a token of 6 characters"),
        ("", "it has no token in it"),
    ],
)
def test_a_file_of_tokens_is_read_where_it_is(tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(content)
    environment = {"AUTH_TOKENS_FILE": str(file)}
    assert findings(Target(environment, here=False)) == []
    said = findings(Target(environment, here=True))
    assert [one.path for one in said] == (["server.auth.provider_config.file"] if problem else [])
    assert all(problem in one.message and "s3cr3t" not in one.message for one in said)


def test_two_switches_are_said_to_be_two() -> None:
    environment = {"AUTH_TOKENS_FILE": "/tokens", "AUTH_JWKS_URL": "https://issuer.example/keys", "AUTH_ISSUER": "i"}
    found = verify(Source(RUN_CONFIG, "run.yaml"), Target(environment, here=False)).findings
    (said,) = [one for one in found if one.severity is Severity.ERROR]
    assert said.path == "server.auth.provider_config.type"
    assert "AUTH_JWKS_URL and AUTH_TOKENS_FILE are set. Unset all but one." in said.advice


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("/v1/files", True),
        ("/v1/file", False),
        ("/v1/file*", True),
        ("/v1/files/file-1/content", True),
        ("/v1/files/file-1/contents", False),
        ("/v1/models/a/b/c", True),
        ("/v1/models/a/b*", True),
        ("/v1/vector_stores/vs_1/fi*", True),
        ("/v1/vector_stores/vs_1/fo*", False),
        ("/v1/vector_stores/vs*", True),
        ("/v1alpha/*", True),
        ("*", True),
        ("v1/files*", False),
        ("/docs", True),
        ("/openapi*", True),
    ],
)
def test_whether_a_route_has_the_path_of_a_rule(pattern: str, matches: bool) -> None:
    assert any(may_match(pattern, path) for path in paths()) is matches
