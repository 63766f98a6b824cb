"""Searches and chunks: what a request asks of a vector store is looked at before it gets there."""

import math
import re
from collections.abc import Awaitable, Callable
from typing import Any

from distribution.overlay.declaration import change

MEMORY = "llama_stack.providers.utils.memory.vector_store"
MIXIN = "llama_stack.providers.utils.memory.openai_vector_store_mixin"

MOST_CHUNKS = 4096
"""As many as sqlite-vec searches for; faiss and pgvector would take any number, and the memory for it."""
MOST_DIMENSIONS = 16_000
"""As many as pgvector stores."""
MOST_FILES = 500
"""In one file batch, as with OpenAI."""

AsyncFunction = Callable[..., Awaitable[Any]]


@change(
    "llama_stack.providers.inline.vector_io.sqlite_vec.sqlite_vec:SQLiteVecIndex.query_keyword",
    takes=("self", "query_string", "k", "score_threshold"),
    why="A search for keywords is an expression of SQLite's full-text search: quotes, a question mark or a colon in it "
    "are an error, `id:` searches what is no content, and OR and NOT mean something.",
)
def query_keyword(original: AsyncFunction) -> AsyncFunction:
    from llama_stack.apis.vector_io import QueryChunksResponse

    async def query_keyword(self: Any, query_string: str, k: int, score_threshold: float) -> Any:
        words = re.findall(r"\w+", query_string)
        if not words:
            return QueryChunksResponse(chunks=[], scores=[])
        return await original(self, " ".join(f'"{word}"' for word in words), k, score_threshold)

    return query_keyword


@change(
    f"{MEMORY}:VectorStoreWithIndex.query_chunks",
    takes=("self", "query", "params"),
    why="How many chunks a search brings is not limited: the index makes room for all, until the memory ends. A number "
    "below one, and a ranker that is none, are a 500.",
    advisory="requests-without-limits",
)
def query_chunks(original: AsyncFunction) -> AsyncFunction:
    async def query_chunks(self: Any, query: Any, params: dict[str, Any] | None = None) -> Any:
        params = {name: value for name, value in (params or {}).items() if value is not None}
        most = params.get("max_chunks", 3)
        if not isinstance(most, int) or not 1 <= most <= MOST_CHUNKS:
            raise ValueError(f"max_chunks has to be 1 to {MOST_CHUNKS} (it is five times max_num_results)")
        if not _is_number(params.get("score_threshold", 0.0)):
            raise ValueError("score_threshold has to be a number")
        if "ranker" in params:
            _require_ranker(params["ranker"])
        return await original(self, query, params)

    return query_chunks


def _require_ranker(ranker: Any) -> None:
    params = ranker.get("params", {}) if isinstance(ranker, dict) else None
    if not isinstance(params, dict):
        raise ValueError("ranker has to be an object with `strategy` and `params`")
    weights, k = params.get("weights", []), params.get("k", 60.0)
    if not (isinstance(weights, list) and all(map(_is_number, weights))):
        raise ValueError("the `weights` of a ranker have to be a list of numbers")
    if not (_is_number(k) and k >= 0):
        raise ValueError("the `k` of a ranker has to be a number, 0 or more")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@change(
    f"{MIXIN}:OpenAIVectorStoreMixin._matches_filters",
    takes=("self", "metadata", "filters"),
    why="A filter that compares a number with an attribute that is text, and one that is no object, are a 500.",
)
def matches_filters(original: Callable[..., bool]) -> Callable[..., bool]:
    def matches_filters(self: Any, metadata: dict[str, Any], filters: Any) -> bool:
        if not isinstance(filters, dict):
            raise ValueError("a filter has to be an object with a `type`")
        if "filters" in filters and not isinstance(filters["filters"], list):
            raise ValueError("the `filters` of a filter have to be a list")
        if not isinstance(filters.get("key", ""), str):
            raise ValueError("the `key` of a filter has to be text")
        try:
            return original(self, metadata, filters)
        except TypeError:
            return False  # what cannot be compared does not match

    return matches_filters


@change(
    f"{MIXIN}:make_overlapped_chunks",
    takes=("document_id", "text", "window_len", "overlap_len", "metadata"),
    why="Chunks may overlap by all but one token: a file then takes some thousand times its size in memory.",
    advisory="requests-without-limits",
)
def make_overlapped_chunks(original: Callable[..., Any]) -> Callable[..., Any]:
    def make_overlapped_chunks(document_id: str, text: str, window_len: int, overlap_len: int, metadata: Any) -> Any:
        if not 0 <= overlap_len <= window_len // 2:
            raise ValueError("chunk_overlap_tokens has to be 0 to half of max_chunk_size_tokens")
        return original(document_id, text, window_len, overlap_len, metadata)

    return make_overlapped_chunks


@change(
    f"{MIXIN}:OpenAIVectorStoreMixin.openai_create_vector_store_file_batch",
    takes=("self", "vector_store_id", "params"),
    why="A file batch may have any number of files.",
    advisory="requests-without-limits",
)
def create_file_batch(original: AsyncFunction) -> AsyncFunction:
    async def openai_create_vector_store_file_batch(self: Any, vector_store_id: str, params: Any) -> Any:
        if len(params.file_ids) > MOST_FILES:
            raise ValueError(f"a file batch has at most {MOST_FILES} files")
        return await original(self, vector_store_id, params)

    return openai_create_vector_store_file_batch


@change(
    "llama_stack.core.routers.vector_io:VectorIORouter.openai_create_vector_store",
    takes=("self", "params"),
    why="The dimension that a request names reaches the definition of a table as it is, whatever its size.",
    advisory="requests-without-limits",
)
def create_vector_store(original: AsyncFunction) -> AsyncFunction:
    async def openai_create_vector_store(self: Any, params: Any) -> Any:
        for values in (params.model_extra or {}, params.metadata or {}):
            if not isinstance(values.get("embedding_model", ""), str | None):
                raise ValueError("embedding_model has to be the name of a model")
            dimension = values.get("embedding_dimension")
            if dimension is not None and not (
                re.fullmatch(r"\d{1,9}", str(dimension)) and 1 <= int(dimension) <= MOST_DIMENSIONS
            ):
                raise ValueError(f"embedding_dimension has to be 1 to {MOST_DIMENSIONS}")
        if len(params.file_ids or []) > MOST_FILES:
            raise ValueError(f"a vector store is created with at most {MOST_FILES} files")
        return await original(self, params)

    return openai_create_vector_store


@change(
    "llama_stack.core.routers.vector_io:VectorIORouter.insert_chunks",
    takes=("self", "vector_db_id", "chunks", "ttl_seconds"),
    why="A chunk whose `document_id` is no text is a 500, and one whose `token_count` is no number is found and makes "
    "a 500 of every search by the RAG tool.",
)
def insert_chunks(original: AsyncFunction) -> AsyncFunction:
    async def insert_chunks(self: Any, vector_db_id: str, chunks: list[Any], ttl_seconds: int | None = None) -> None:
        for number, chunk in enumerate(chunks):
            if not isinstance(chunk.metadata.get("document_id", ""), str):
                raise ValueError(f"chunks[{number}].metadata.document_id has to be text")
            if not isinstance(chunk.chunk_id, str):
                raise ValueError(f"chunks[{number}].metadata.chunk_id has to be text")
            for name in ("token_count", "metadata_token_count"):
                if not _is_number(chunk.metadata.get(name, 0)):
                    raise ValueError(f"chunks[{number}].metadata.{name} has to be a number")
        await original(self, vector_db_id, chunks, ttl_seconds)

    return insert_chunks


def _is_dimension(value: Any) -> bool:
    return bool(re.fullmatch(r"\d{1,9}", str(value))) and 1 <= int(value) <= MOST_DIMENSIONS
