"""Vector stores that several requests and replicas change at once, and file batches that a restart interrupts.

Upstream reads the record of each store once, when it starts, and writes it back as a whole. Where records lie on a
server, each request reads them anew here, and changes what it is about and nothing else.
"""

import asyncio
import inspect
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from distribution.overlay.answers import logger
from distribution.overlay.declaration import change
from distribution.overlay.replicas import is_shared
from distribution.overlay.vector_store_access import as_sender

if TYPE_CHECKING:
    from providers.stores import Store, Transaction

MODULE = "llama_stack.providers.utils.memory.openai_vector_store_mixin"
MIXIN = f"{MODULE}:OpenAIVectorStoreMixin"
ROUTER = "llama_stack.core.routers.vector_io:VectorIORouter"

COLLECTION_NOT_FOUND = 100
"""Milvus's code."""

MADE_BY_ANOTHER = ("already exists", "File exists")
"""What Milvus, and Milvus Lite, say of a collection that another request has made or is making."""

WAITS_FOR_A_COLLECTION = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between the attempts to add chunks to a collection that another request is making."""

AsyncFunction = Callable[..., Awaitable[Any]]
Record = dict[str, Any]


@dataclass(frozen=True)
class FileChange:
    """The file that a request attaches to a store or removes from it."""

    file_id: str
    status: str | None
    """How it is counted; None for one that is being attached, of which only its own record says it."""


change(
    f"{MODULE}:logger",
    why="A traceback of a hundred lines stands in the log for each file that is attached and is not there.",
)(logger)

_change: ContextVar[FileChange | None] = ContextVar("the change to a vector store that is under way", default=None)


@change(
    f"{ROUTER}.openai_create_vector_store",
    takes=("self", "params"),
    why="A vector store that names no embedding model is refused even where there is only one.",
)
def create_vector_store(create: AsyncFunction) -> AsyncFunction:
    from llama_stack.apis.models import ModelType

    async def openai_create_vector_store(self: Any, params: Any) -> Any:
        extra = params.model_extra
        default = self.vector_stores_config and self.vector_stores_config.default_embedding_model
        if not default and extra.get("embedding_model") is None:
            models = await self.routing_table.get_all_with_type("model")
            names = [model.identifier for model in models if model.model_type == ModelType.embedding]
            if len(names) != 1:
                raise ValueError(
                    "name the embedding model: extra_body={'embedding_model': ...}; "
                    f"there are: {', '.join(sorted(names)) or 'none'}"
                )
            extra["embedding_model"] = names[0]
        return await create(self, params)

    return openai_create_vector_store


@change(
    "llama_stack.providers.remote.vector_io.pgvector.pgvector:PGVectorIndex.delete_chunks",
    takes=("self", "chunks_for_deletion"),
    why="PostgreSQL refuses the statement that removes chunks: files cannot be removed from a store in pgvector.",
    reference="llamastack/llama-stack#4472",
    fixed_in="0.4.1",
)
def delete_chunks(original: AsyncFunction) -> AsyncFunction:
    async def delete_chunks(self: Any, chunks_for_deletion: list[Any]) -> None:
        with self.conn.cursor() as cursor:
            ids = [chunk.chunk_id for chunk in chunks_for_deletion]
            # The table's name is upstream's own, in each of its statements.
            cursor.execute(f"DELETE FROM {self.table_name} WHERE id = ANY(%s)", (ids,))  # noqa: S608

    return delete_chunks


@change(
    "llama_stack.providers.remote.vector_io.milvus.milvus:MilvusIndex.add_chunks",
    takes=("self", "chunks", "embeddings"),
    why="Of two requests that bring a store's first chunks at once, one fails at the collection that the other makes.",
)
def add_chunks(original: AsyncFunction) -> AsyncFunction:
    from pymilvus import MilvusException

    async def add_chunks(self: Any, chunks: list[Any], embeddings: Any) -> None:
        for seconds in WAITS_FOR_A_COLLECTION:
            try:
                await original(self, chunks, embeddings)
            except MilvusException as error:
                if not any(text in error.message for text in MADE_BY_ANOTHER):
                    raise
                await asyncio.sleep(seconds)
            else:
                return
        await original(self, chunks, embeddings)

    return add_chunks


@change(
    "llama_stack.apis.vector_io.vector_io:QueryChunksResponse.__init__",
    why="Scores are one over the distance, infinite for an exact match, which JSON cannot say: the search is a 400.",
)
def finite_scores(original: Any) -> Any:
    def initialize(self: Any, *, scores: list[float], **fields: Any) -> None:
        original(self, scores=[min(score, sys.float_info.max) for score in scores], **fields)

    return initialize


def merge(stored: Record | None, wanted: Record, change: FileChange | None) -> Record | None:
    """What to write for a store, given what is stored by now; None if another request has removed the store.

    A change to a file keeps everything else as it is stored, any other change the files.
    """
    if stored is None:
        return None if change else wanted
    if change is None:
        return {**wanted, "file_ids": stored["file_ids"], "file_counts": stored["file_counts"]}
    others = [file_id for file_id in stored["file_ids"] if file_id != change.file_id]
    file_ids = [*others, change.file_id] if change.file_id in wanted["file_ids"] else others
    counts = dict(stored["file_counts"])
    for counted in ("total", change.status):
        counts[counted] += len(file_ids) - len(stored["file_ids"])
    return {**stored, "file_ids": file_ids, "file_counts": counts}


ATTACH = ("self", "vector_store_id", "file_id", "attributes", "chunking_strategy")
DELETE_FILE = ("self", "vector_store_id", "file_id")


def changing_a_file(method: AsyncFunction) -> AsyncFunction:
    signature = inspect.signature(method)
    removes = method.__name__ == "openai_delete_vector_store_file"

    async def do(self: Any, *arguments: Any, **options: Any) -> Any:
        given = signature.bind(self, *arguments, **options).arguments
        store_id, file_id = given["vector_store_id"], given["file_id"]
        counted = (await self._load_openai_vector_store_file(store_id, file_id)).get("status") if removes else None
        token = _change.set(FileChange(file_id, counted))
        try:
            result = await method(self, *arguments, **options)
        finally:
            _change.reset(token)
        if reason := getattr(result, "last_error", None):  # upstream stores that a file failed, and not why
            stored = await self._load_openai_vector_store_file(store_id, file_id)
            stored["last_error"] = reason.model_dump()
            await self._update_openai_vector_store_file(store_id, file_id, stored)
        return result

    return do


for name, takes in {
    "openai_attach_file_to_vector_store": ATTACH,
    "openai_delete_vector_store_file": DELETE_FILE,
}.items():
    change(
        f"{MIXIN}.{name}",
        takes=takes,
        why="Two replicas that attach or remove files at once lose entries of each other, since each writes the "
        "store's record back as a whole; and a file that cannot be attached does not keep the reason.",
    )(changing_a_file)


@change(
    f"{MODULE}:VectorStoreSearchResponsePage",
    why="A search that fails is answered with 200 and nothing found; file search then tells the model so.",
    reference="llamastack/llama-stack#6092, #6093",
    fixed_in="ogx 1.2.0",
)
def page_or_error(page: Any) -> Callable[..., Any]:
    def make(**fields: Any) -> Any:
        error = sys.exception()
        if error and not fields["data"] and not _says_that_nothing_was_inserted(error):
            raise error
        return page(**fields)

    return make


def _says_that_nothing_was_inserted(error: BaseException) -> bool:
    """Milvus has no collection before the first chunk comes."""
    return type(error).__name__ == "MilvusException" and getattr(error, "code", None) == COLLECTION_NOT_FOUND


STALE = (
    "Upstream reads the records of vector stores once, when it starts: what another replica does to them is not seen."
)


@change(
    f"{MIXIN}.openai_list_vector_stores",
    takes=("self", "limit", "order", "after", "before"),
    why=STALE,
    reference="llamastack/llama-stack#4087",
    fixed_in="ogx 1.2.0 in part",
)
def after_reading_all(method: AsyncFunction) -> AsyncFunction:
    async def do(self: Any, *arguments: Any, **options: Any) -> Any:
        await _resume(self)
        if is_shared(self.kvstore):
            self.openai_vector_stores = await self._load_openai_vector_stores()
        return await method(self, *arguments, **options)

    return do


ABOUT_ONE_STORE = {
    "openai_retrieve_vector_store": ("self", "vector_store_id"),
    "openai_update_vector_store": ("self", "vector_store_id", "name", "expires_after", "metadata"),
    "openai_delete_vector_store": ("self", "vector_store_id"),
    "openai_search_vector_store": (
        *("self", "vector_store_id", "query", "filters", "max_num_results"),
        *("ranking_options", "rewrite_query", "search_mode"),
    ),
    "openai_attach_file_to_vector_store": ATTACH,
    "openai_list_files_in_vector_store": ("self", "vector_store_id", "limit", "order", "after", "before", "filter"),
    "openai_retrieve_vector_store_file": ("self", "vector_store_id", "file_id"),
    "openai_retrieve_vector_store_file_contents": ("self", "vector_store_id", "file_id"),
    "openai_update_vector_store_file": ("self", "vector_store_id", "file_id", "attributes"),
    "openai_delete_vector_store_file": DELETE_FILE,
    "openai_create_vector_store_file_batch": ("self", "vector_store_id", "params"),
    "openai_retrieve_vector_store_file_batch": ("self", "batch_id", "vector_store_id"),
    "openai_list_files_in_vector_store_file_batch": (
        *("self", "batch_id", "vector_store_id", "after", "before", "filter", "limit", "order"),
    ),
    "openai_cancel_vector_store_file_batch": ("self", "batch_id", "vector_store_id"),
}


def after_reading(method: AsyncFunction) -> AsyncFunction:
    """The method, with the store and the file batch that it is about as they are stored."""
    from llama_stack.providers.utils.memory import openai_vector_store_mixin as upstream

    signature = inspect.signature(method)

    async def do(self: Any, *arguments: Any, **options: Any) -> Any:
        await _resume(self)
        if is_shared(self.kvstore):
            given = signature.bind(self, *arguments, **options).arguments
            stores = upstream.OPENAI_VECTOR_STORES_PREFIX
            await _read(self, stores, given["vector_store_id"], self.openai_vector_stores)
            batch_id = given.get("batch_id")
            if batch_id and batch_id not in self._file_batch_tasks:  # this process's own are newer in memory
                batches = upstream.OPENAI_VECTOR_STORES_FILE_BATCHES_PREFIX
                await _read(self, batches, batch_id, self.openai_file_batches)
        return await method(self, *arguments, **options)

    return do


for name, takes in ABOUT_ONE_STORE.items():
    change(f"{MIXIN}.{name}", takes=takes, why=STALE)(after_reading)


async def _read(self: Any, prefix: str, identifier: str, known: dict[str, Record]) -> None:
    stored = await self.kvstore.get(f"{prefix}{identifier}")
    if stored is None:
        known.pop(identifier, None)
    else:
        known[identifier] = json.loads(stored)


def merging(method: AsyncFunction) -> AsyncFunction:
    """The method that writes a store's record, as one step with a look at what is stored."""
    from llama_stack.providers.utils.memory.openai_vector_store_mixin import OPENAI_VECTOR_STORES_PREFIX

    async def save(self: Any, store_id: str, store_info: Record) -> None:
        records = _records(self)
        if records is None:
            await method(self, store_id, store_info)
            return
        change = _change.get()
        if change and change.status is None:
            file = await self._load_openai_vector_store_file(store_id, change.file_id)
            change = FileChange(change.file_id, file["status"])
        key = f"{OPENAI_VECTOR_STORES_PREFIX}{store_id}"
        merged = await records.transact(key, lambda step: _write(step, key, store_info, change))
        # Upstream goes on with this very dictionary.
        store_info.update(merged or {})
        self.openai_vector_stores[store_id] = store_info

    return save


for name in ("_save_openai_vector_store", "_update_openai_vector_store"):
    change(
        f"{MIXIN}.{name}",
        takes=("self", "store_id", "store_info"),
        why="A store's record is written back as a whole, over what another replica has written since.",
    )(merging)


def _write(step: "Transaction", key: str, wanted: Record, change: FileChange | None) -> Record | None:
    stored = step.get(key)
    merged = merge(json.loads(stored) if stored else None, wanted, change)
    if merged is not None:
        step.put(key, json.dumps(merged))
    return merged


def _records(self: Any) -> "Store | None":
    """None where no other process writes records, or where they are in a store without transactions."""
    from providers.stores import open_store

    if "records" not in self.__dict__:
        self.records = None
        if is_shared(self.kvstore):
            with suppress(AttributeError, ValueError):  # a provider of other people's, MongoDB
                self.records = open_store(self.config.persistence)
    records: Store | None = self.records
    return records


@change(f"{MIXIN}.shutdown", takes=("self",), why="Connections of this distribution's own are closed with upstream's.")
def closing_records(method: AsyncFunction) -> AsyncFunction:
    async def shutdown(self: Any) -> None:
        await method(self)
        if records := self.__dict__.pop("records", None):
            await records.close()

    return shutdown


@change(
    f"{MIXIN}._resume_incomplete_batches",
    takes=("self",),
    why="Interrupted file batches are resumed in the event loop of the start, where they die with it: they stay "
    "`in_progress` for ever.",
    reference="llamastack/llama-stack#6161",
    fixed_in="ogx 1.2.0",
)
def resume_later(original: AsyncFunction) -> AsyncFunction:
    async def resume_incomplete_batches(self: Any) -> None:
        self.has_batches_to_resume = True

    return resume_incomplete_batches


async def _resume(self: Any) -> None:
    if not self.__dict__.pop("has_batches_to_resume", False):
        return
    for batch_id, batch in list(self.openai_file_batches.items()):
        if batch["status"] == "in_progress":
            remaining = await self._analyze_batch_completion_on_resume(batch_id, batch)
            if remaining:
                work = self._process_file_batch_async(batch_id, batch, remaining)
                self._file_batch_tasks[batch_id] = asyncio.create_task(work, context=as_sender(batch))
