"""What llama-stack's server answers for the errors of files."""

from typing import Any

import pytest
from llama_stack.core.server.server import translate_exception

from providers.files.errors import FileDamaged, FileTooLarge, StorageError, StorageFull, UploadGivenUp
from providers.files.multipart_form import MalformedForm

DAMAGED = "The content of file 'file-1' is damaged in storage: wrong length."


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (FileTooLarge("too large"), 413, "too large"),
        (UploadGivenUp("please repeat it"), 503, "please repeat it"),
        (StorageError("S3 is down"), 503, "S3 is down"),
        (StorageError("S3 is down", "Start it."), 503, "S3 is down"),
        (StorageFull("no room"), 507, "no room"),
        (FileDamaged("file-1", FileDamaged.WRONG_LENGTH), 500, DAMAGED),
        (MalformedForm("no form"), 400, "no form"),
    ],
)
def test_an_error_has_its_status_and_its_message(error: Exception, status: int, detail: str) -> None:
    answer: Any = translate_exception(error)

    assert (answer.status_code, answer.detail) == (status, detail)


def test_advice_is_for_the_operator_and_not_for_clients() -> None:
    assert StorageError("S3 is down", "Start it.").__notes__ == ["Start it."]
    assert not hasattr(StorageError("S3 is down"), "__notes__")
