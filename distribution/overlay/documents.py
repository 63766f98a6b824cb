"""PDFs are read while the server goes on, and for a limited time."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from distribution.overlay.declaration import change

MIXIN = "llama_stack.providers.utils.memory.openai_vector_store_mixin"
STOPS = (
    "A PDF is read in the event loop: one of 3 kB keeps the whole server from answering for as long as its author "
    "likes."
)
PDF = ".pdf"

_read: ContextVar[str | Exception | None] = ContextVar("the text of the PDF that is being attached", default=None)


@change(
    f"{MIXIN}:OpenAIVectorStoreMixin.openai_attach_file_to_vector_store",
    takes=("self", "vector_store_id", "file_id", "attributes", "chunking_strategy"),
    why=STOPS,
    advisory="endless-documents",
)
def after_reading_it(attach: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def openai_attach_file_to_vector_store(
        self: Any, vector_store_id: str, file_id: str, *arguments: Any, **options: Any
    ) -> Any:
        token = _read.set(await _text(self.files_api, file_id))
        try:
            return await attach(self, vector_store_id, file_id, *arguments, **options)
        finally:
            _read.reset(token)

    return openai_attach_file_to_vector_store


async def _text(files: Any, file_id: str) -> str | Exception | None:
    """Return the text of a PDF, or why there is none; None for what is no PDF, and for what cannot be had."""
    from providers.documents.pdf import text_of_pdf

    try:
        file = await files.openai_retrieve_file(file_id)
        if not file.filename.lower().endswith(PDF):
            return None
        content = await files.openai_retrieve_file_content(file_id)
    except Exception:
        return None  # upstream asks again, and keeps the reason with the file
    try:
        return await text_of_pdf(content.body)
    except ValueError as error:
        return error


@change(
    f"{MIXIN}:content_from_data_and_mime_type",
    takes=("data", "mime_type", "encoding"),
    why=STOPS,
    advisory="endless-documents",
)
def text_that_has_been_read(original: Callable[..., str]) -> Callable[..., str]:
    def content_from_data_and_mime_type(data: Any, mime_type: str | None, encoding: str | None = None) -> str:
        read = _read.get()
        if isinstance(read, Exception):
            raise read
        return original(data, mime_type, encoding) if read is None else read

    return content_from_data_and_mime_type
