"""What a client says beside the file, in the spellings that clients use."""

from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st
from llama_stack.apis.files import ExpiresAfter, OpenAIFilePurpose
from llama_stack.core.server.server import translate_exception

from providers.files.service import UploadFields
from providers.files.upload_fields import missing_file, parse_fields

HOUR = ExpiresAfter(anchor="created_at", seconds=3600)


@pytest.mark.parametrize(
    ("fields", "expires_after"),
    [
        ({}, None),
        ({"expires_after": ""}, None),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}, HOUR),
        ({"expires_after": '{"anchor": "created_at", "seconds": 3600}'}, HOUR),
        ({"expires_after": '{"anchor": "created_at", "seconds": "3600"}'}, HOUR),
        ({"expires_after": "x", "expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}, HOUR),
        ({"unknown": "field"}, None),
    ],
)
def test_an_expiry_in_every_spelling(fields: dict[str, str], expires_after: ExpiresAfter | None) -> None:
    expected = UploadFields(purpose=OpenAIFilePurpose.BATCH, expires_after=expires_after)

    assert parse_fields({"purpose": "batch", **fields}) == expected


PURPOSE = ("body", "purpose")
EXPIRY = ("body", "expires_after")


@pytest.mark.parametrize(
    ("fields", "places"),
    [
        ({}, [PURPOSE]),
        ({"purpose": "fun"}, [PURPOSE]),
        ({"purpose": "batch", "expires_after": "soon"}, [EXPIRY]),
        ({"purpose": "batch", "expires_after": "[]"}, [EXPIRY]),
        ({"purpose": "batch", "expires_after": '{"seconds": NaN}'}, [(*EXPIRY, "anchor"), (*EXPIRY, "seconds")]),
        ({"purpose": "batch", "expires_after": "9" * 5000}, [EXPIRY]),
        ({"purpose": "batch", "expires_after": "[" * 100_000}, [EXPIRY]),
        ({"purpose": "batch", "expires_after[seconds]": "3600"}, [(*EXPIRY, "anchor")]),
        ({"purpose": "batch", "expires_after[": "3600"}, [(*EXPIRY, "anchor"), (*EXPIRY, "seconds")]),
        (
            {"purpose": "batch", "expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"},
            [(*EXPIRY, "seconds")],
        ),
        (
            {"expires_after[anchor]": "now", "expires_after[seconds]": "1e9"},
            [PURPOSE, (*EXPIRY, "anchor"), (*EXPIRY, "seconds")],
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_everything_that_is_wrong_is_told_at_once(fields: dict[str, str], places: list[tuple[str, ...]]) -> None:
    with pytest.raises(RequestValidationError) as raised:
        parse_fields(fields)
    assert [error["loc"] for error in raised.value.errors()] == places
    assert _status(raised.value) == 400


def test_a_missing_file_is_told_with_the_rest() -> None:
    error = missing_file({"purpose": "fun"})

    assert [(entry["loc"], entry["type"]) for entry in error.errors()] == [
        (("body", "file"), "missing"),
        (PURPOSE, "enum"),
    ]
    assert [entry["loc"] for entry in missing_file({"purpose": "batch"}).errors()] == [("body", "file")]


KEYS = st.sampled_from(
    ["purpose", "expires_after", "expires_after[anchor]", "expires_after[seconds]", "expires_after["]
)
VALUES = st.one_of(st.text(), st.sampled_from(["batch", "created_at", "3600", "{}", "null", '{"seconds": 1}']))


@given(st.dictionaries(st.one_of(KEYS, st.text()), VALUES))
def test_no_fields_are_an_error_of_the_server(fields: dict[str, str]) -> None:
    try:
        assert parse_fields(fields).purpose.value == fields["purpose"]
    except RequestValidationError as error:
        assert _status(error) == 400


def _status(error: Exception) -> Any:
    answer: Any = translate_exception(error)
    return answer.status_code
