"""PDFs become text in a process of its own, for a limited time."""

import asyncio

import pytest

from providers.documents import pdf
from tests.support import pdfs


def text(content: bytes) -> str:
    return asyncio.run(pdf.text_of_pdf(content))


def test_the_text_of_all_pages() -> None:
    assert text(pdfs.pdf("Giraffes have long necks.", "Moles do not.")) == "Giraffes have long necks.\nMoles do not."


def test_what_is_no_pdf_says_so() -> None:
    with pytest.raises(ValueError, match="The PDF cannot be read: "):
        text(b"Giraffes have long necks.")


def test_a_pdf_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "SECONDS", 2)
    with pytest.raises(ValueError, match="takes longer than 2 s"):
        text(pdfs.endless(50))


def test_the_process_knows_no_variable_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "PROGRAM", "import os, sys; sys.stdout.write(str('SECRET' in os.environ))")
    monkeypatch.setenv("SECRET", "s3cr3t")
    assert text(b"") == "False"
