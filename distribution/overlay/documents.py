"""Files that come into vector stores: they take limited time, while the server goes on, and limited room."""

import inspect
import json
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

ROUTER = "llama_stack.core.routers.vector_io:VectorIORouter"
LONGEST_ATTRIBUTES = 16_000
"""In characters of JSON; OpenAI allows half as much."""
LOOKED_AT = 10_000
"""Bytes of a text from which its encoding is guessed."""

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
        if read is not None:
            return read
        return original(data, mime_type, encoding or (encoding_of(data) if isinstance(data, bytes) else None))

    return content_from_data_and_mime_type


def encoding_of(content: bytes) -> str:
    """Return the encoding of a text: UTF-8 if it can be, else what its first part looks like."""
    try:
        content.decode()
    except UnicodeDecodeError:
        import chardet

        # Upstream lets it go through the whole text, a megabyte in twenty seconds.
        return chardet.detect(content[:LOOKED_AT])["encoding"] or "utf-8"
    return "utf-8"


def with_short_attributes(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    signature = inspect.signature(method)

    async def do(self: Any, *arguments: Any, **options: Any) -> Any:
        given = signature.bind(self, *arguments, **options).arguments
        attributes = given["params"].attributes if "params" in given else given.get("attributes")
        if len(json.dumps(attributes)) > LONGEST_ATTRIBUTES:
            raise ValueError(f"attributes are longer than {LONGEST_ATTRIBUTES} characters of JSON")
        return await method(self, *arguments, **options)

    return do


for name, takes in {
    "openai_attach_file_to_vector_store": ("self", "vector_store_id", "file_id", "attributes", "chunking_strategy"),
    "openai_update_vector_store_file": ("self", "vector_store_id", "file_id", "attributes"),
    "openai_create_vector_store_file_batch": ("self", "vector_store_id", "params"),
}.items():
    change(
        f"{ROUTER}.{name}",
        takes=takes,
        why="A file's attributes are stored with each of its chunks: a request of 100 kB fills half a gigabyte.",
        advisory="requests-without-limits",
    )(with_short_attributes)
