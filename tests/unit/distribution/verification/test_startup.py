"""What is said of errors while llama-stack starts."""

from typing import Any, cast

import httpx
import openai
import pytest

from distribution.verification.document import Source, load
from distribution.verification.startup_findings import (
    is_unreachable,
    provider_failure,
    resource_failure,
    root_cause,
    unreachable,
)
from distribution.verification.subject import Subject, Target

CONFIG = """\
providers:
  vector_io:
  - provider_id: milvus
    provider_type: remote::milvus
registered_resources:
  models:
  - {model_id: a, provider_id: __disabled__}
  - {model_id: b, provider_id: vllm}
"""


@pytest.fixture
def subject() -> Subject:
    document, _ = load(Source(CONFIG, "run.yaml"))
    assert document is not None
    return Subject(document, Target({}, here=False))


def raised(error: Exception, cause: BaseException | None = None) -> Exception:
    try:
        raise error from cause
    except type(error) as caught:
        return caught


def test_the_root_cause_is_one_line() -> None:
    error = raised(RuntimeError("could not start"), raised(OSError("no\n  such   bucket.")))
    assert root_cause(error) == "could not start: no such bucket"
    assert root_cause(KeyError()) == "KeyError"


def test_what_an_outer_error_quotes_is_not_said_twice() -> None:
    error = raised(RuntimeError("no database at db:5432: refused"), raised(OSError("refused")))
    assert root_cause(error) == "no database at db:5432: refused"


def test_of_what_grpc_prints_the_sentence_is_kept() -> None:
    assert root_cause(RuntimeError('<_Rpc of RPC that\n\tdetails = "connection refused"\n>')) == "connection refused"


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "refused"),
        raised(RuntimeError("x"), TimeoutError()),
        httpx.ConnectError("down"),
        openai.APIConnectionError(request=cast(Any, None)),
    ],
)
def test_a_service_that_is_down_is_told_apart(error: Exception) -> None:
    assert is_unreachable(error)


def test_other_errors_are_not_taken_for_it() -> None:
    assert not is_unreachable(ValueError("Model 'x' not found"))
    assert not is_unreachable(PermissionError(13, "denied"))


def test_a_provider_is_named_with_its_line_and_a_fix(subject: Subject) -> None:
    finding = provider_failure(subject, "vector_io", "milvus", ConnectionRefusedError(111, "refused"))
    assert (finding.code, finding.line) == ("provider-start", 3)
    assert "`milvus` (remote::milvus) of vector_io did not start" in finding.message
    assert "Is the service running" in finding.advice
    bucket = provider_failure(subject, "vector_io", "milvus", RuntimeError("S3 bucket 'x' does not exist"))
    assert "Create the bucket" in bucket.advice


def test_a_resource_is_counted_without_the_disabled_ones(subject: Subject) -> None:
    assert resource_failure(subject, "models", 0, ValueError("no")).line == 8


def test_what_llama_stack_puts_in_front_of_providers_is_called_by_its_api(subject: Subject) -> None:
    error = ValueError("Object of type 'shield' and identifier 'x' already exists. Unregister it first if you want.")
    finding = provider_failure(subject, "shields", "__routing_table__", error)
    assert (finding.line, "The API shields did not start" in finding.message) == (1, True)
    assert "another `namespace`" in finding.advice


def test_being_down_is_a_warning(subject: Subject) -> None:
    assert unreachable(subject, "vector_io", "milvus", TimeoutError()).severity == "warning"


def test_an_error_that_says_what_to_do_has_the_word(subject: Subject) -> None:
    refused = RuntimeError("There is no bucket\n'files'.")
    refused.add_note("Make it.")
    error = raised(ValueError("outside"), raised(refused, ConnectionError("inside")))

    finding = provider_failure(subject, "vector_io", "milvus", error)

    assert "There is no bucket 'files'." in finding.message
    assert finding.advice == "Make it."
