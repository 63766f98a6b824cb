"""The run config that is baked into the image."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from distribution.upstream.run_config import RunConfig
from distribution.upstream.shipped import shipped_providers
from distribution.verification.document import Source
from distribution.verification.expansion import REFERENCE, expand
from distribution.verification.findings import Severity
from distribution.verification.masking import SECRET_NAME
from distribution.verification.subject import Target
from distribution.verification.verify import Verdict, verify

PATH = Path(__file__).parents[3] / "run.yaml"
TEXT = PATH.read_text(encoding="utf-8")
# One value for each variable that switches something on.
EVERYTHING = {
    "VLLM_URL": "http://vllm:8000/v1",
    "VLLM_EMBEDDING_URL": "http://embedding:8000/v1",
    "VLLM_EMBEDDING_MODEL": "minilm",
    "VLLM_EMBEDDING_DIMENSION": "384",
    "OPENAI_API_KEY": "a-key-of-nobody",
    "MILVUS_ENDPOINT": "http://milvus:19530",
    "PGVECTOR_DB": "vectors",
    "QDRANT_URL": "http://qdrant:6333",
    "S3_BUCKET_NAME": "files",
    "TRUSTYAI_FMS_ORCHESTRATOR_URL": "http://fms:8080",
    "TRUSTYAI_LMEVAL_BASE_URL": "http://vllm:8000/v1",
    "BRAVE_SEARCH_API_KEY": "a-key-of-nobody",
    "POSTGRES_HOST": "postgres",
    "SAFETY_MODEL": "vllm/guard",
    "AUTH_JWKS_URL": "https://issuer.example/keys",
    "AUTH_ISSUER": "https://issuer.example",
}

# Shipped for run configs that name them; ours take their place here.
UPSTREAMS_FILES = {("files", "inline::localfs"), ("files", "remote::s3")}


def verified(environment: dict[str, str]) -> Verdict:
    return verify(Source(TEXT, "run.yaml"), Target(environment, here=False))


def enabled(environment: dict[str, str]) -> set[tuple[str, str]]:
    return {(provider.api, provider.provider_type) for provider in verified(environment).providers}


@pytest.mark.parametrize("environment", [{}, EVERYTHING], ids=["nothing set", "everything set"])
def test_it_is_right(environment: dict[str, str]) -> None:
    findings = verified(environment).findings
    assert [found for found in findings if found.severity is not Severity.INFO] == []


@pytest.mark.parametrize("name", EVERYTHING)
def test_it_is_right_with_any_one_variable(name: str) -> None:
    needs = {
        "VLLM_EMBEDDING_MODEL": ("VLLM_EMBEDDING_URL", "VLLM_EMBEDDING_DIMENSION"),
        "AUTH_ISSUER": ("AUTH_JWKS_URL",),
    }.get(name, ())
    verdict = verified({other: EVERYTHING[other] for other in (name, *needs)})
    assert [found for found in verdict.findings if found.severity is Severity.ERROR] == []


@pytest.mark.parametrize(
    ("environment", "type_", "without"),
    [
        ({}, None, {"issuer", "jwks", "file"}),
        (
            {"AUTH_JWKS_URL": "https://issuer.example/keys", "AUTH_ISSUER": "https://issuer.example"},
            "oauth2_token",
            {"file"},
        ),
        ({"AUTH_TOKENS_FILE": "/secrets/tokens"}, "static_token", {"issuer", "jwks"}),
    ],
)
def test_authentication_is_what_a_variable_switches_on(
    environment: dict[str, str], type_: str | None, without: set[str]
) -> None:
    assert [found.code for found in verified(environment).findings if found.severity is not Severity.INFO] == []
    auth = RunConfig(**expand(yaml.safe_load(TEXT), environment).data).server.auth
    assert auth is not None
    assert bool(auth) == (type_ is not None)
    provider = auth.provider_config.model_dump(mode="json", exclude_unset=True) if auth else {}
    assert provider.get("type") == type_
    assert not without & provider.keys()


def test_everything_shipped_is_in_it_and_nothing_else() -> None:
    shipped = {(provider.api, provider.provider_type) for provider in shipped_providers()}
    written = {
        (api, entry["provider_type"]) for api, entries in yaml.safe_load(TEXT)["providers"].items() for entry in entries
    }
    assert shipped - written == UPSTREAMS_FILES
    assert written <= shipped


def test_with_everything_on_every_provider_is_but_local_files() -> None:
    shipped = {(provider.api, provider.provider_type) for provider in shipped_providers()}
    assert shipped - enabled(EVERYTHING) == {("files", "inline::files"), *UPSTREAMS_FILES}


def test_the_bucket_takes_the_place_of_local_files() -> None:
    local, bucket = ("files", "inline::files"), ("files", "remote::s3-files")
    assert {local, bucket} & enabled({}) == {local}
    assert {local, bucket} & enabled({"S3_BUCKET_NAME": "files"}) == {bucket}


def test_postgres_takes_the_place_of_every_reference_to_sqlite() -> None:
    def backends(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["backend"]} if isinstance(value.get("backend"), str) else set()
            return own.union(*(backends(item) for item in value.values()))
        return set().union(*(backends(item) for item in value)) if isinstance(value, list) else set()

    data = yaml.safe_load(TEXT)
    assert backends(expand(data, {}).data) == {"kv_default", "sql_default"}
    assert backends(expand(data, {"POSTGRES_HOST": "db"}).data) == {"kv_default_postgres", "sql_default_postgres"}


def test_no_secret_is_a_default() -> None:
    secret_defaults = [
        (match[1], match[3]) for match in REFERENCE.finditer(TEXT) if SECRET_NAME.search(match[1]) and match[2] == "="
    ]
    assert secret_defaults
    assert {default for _, default in secret_defaults} == {""}
