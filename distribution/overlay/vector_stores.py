"""Vector stores that several requests and replicas change at once, and file batches that a restart interrupts.

Upstream reads the record of each store once, when it starts, and writes it back as a whole. Where records lie on a
server, each request reads them anew here, and changes what it is about and nothing else.
"""

import asyncio
import functools
import inspect
import json
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from distribution.overlay.replicas import is_shared
from providers.stores import Store, Transaction, open_store

COLLECTION_NOT_FOUND = 100
"""Milvus's code."""

AsyncFunction = Callable[..., Awaitable[Any]]
Record = dict[str, Any]


@dataclass(frozen=True)
class FileChange:
    """The file that a request attaches to a store or removes from it."""

    file_id: str
    status: str | None
    """How it is counted; None for one that is being attached, of which only its own record says it."""


_change: ContextVar[FileChange | None] = ContextVar("the change to a vector store that is under way", default=None)


def change_vector_stores(module: ModuleType) -> None:
    """llama_stack.providers.utils.memory.openai_vector_store_mixin: see and keep what others do to vector stores."""
    mixin: Any = module.OpenAIVectorStoreMixin
    mixin.openai_attach_file_to_vector_store = _changing_a_file(mixin.openai_attach_file_to_vector_store)
    mixin.openai_delete_vector_store_file = _changing_a_file(mixin.openai_delete_vector_store_file, removes=True)
    mixin.openai_list_vector_stores = _after_reading_all(mixin.openai_list_vector_stores)
    for name, method in inspect.getmembers(mixin, inspect.iscoroutinefunction):
        parameters = inspect.signature(method).parameters
        if name.startswith("openai_") and "vector_store_id" in parameters:
            setattr(mixin, name, _after_reading(method, module))
    mixin._save_openai_vector_store = _merging(mixin._save_openai_vector_store, module)
    mixin._update_openai_vector_store = _merging(mixin._update_openai_vector_store, module)
    mixin._resume_incomplete_batches = _resume_later
    module.VectorStoreSearchResponsePage = _page_or_error(module)  # type: ignore[attr-defined]
    mixin.shutdown = _closing_records(mixin.shutdown)


def change_router(module: ModuleType) -> None:
    """llama_stack.core.routers.vector_io: a new store takes the only embedding model there is, if it names none."""
    router: Any = module.VectorIORouter
    create = router.openai_create_vector_store

    @functools.wraps(create)
    async def openai_create_vector_store(self: Any, params: Any) -> Any:
        extra = params.model_extra
        default = self.vector_stores_config and self.vector_stores_config.default_embedding_model
        if not default and extra.get("embedding_model") is None:
            models = await self.routing_table.get_all_with_type("model")
            names = [model.identifier for model in models if model.model_type == module.ModelType.embedding]
            if len(names) != 1:
                raise ValueError(
                    "name the embedding model: extra_body={'embedding_model': ...}; "
                    f"there are: {', '.join(sorted(names)) or 'none'}"
                )
            extra["embedding_model"] = names[0]
        return await create(self, params)

    router.openai_create_vector_store = openai_create_vector_store


def change_pgvector(module: ModuleType) -> None:
    """llama_stack.providers.remote.vector_io.pgvector.pgvector: remove chunks as PostgreSQL wants to be asked."""

    async def delete_chunks(self: Any, chunks_for_deletion: list[Any]) -> None:
        with self.conn.cursor() as cursor:
            ids = [chunk.chunk_id for chunk in chunks_for_deletion]
            # The table's name is upstream's own, in each of its statements.
            cursor.execute(f"DELETE FROM {self.table_name} WHERE id = ANY(%s)", (ids,))  # noqa: S608

    module.PGVectorIndex.delete_chunks = delete_chunks


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


def _changing_a_file(method: AsyncFunction, *, removes: bool = False) -> AsyncFunction:
    signature = inspect.signature(method)

    @functools.wraps(method)
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


def _page_or_error(module: ModuleType) -> Callable[..., Any]:
    """What makes the page of a search, and raises where upstream makes an empty one while it handles an error."""
    page = module.VectorStoreSearchResponsePage

    def make(**fields: Any) -> Any:
        error = sys.exception()
        if error and not fields["data"] and not _says_that_nothing_was_inserted(error):
            raise error
        return page(**fields)

    return make


def _says_that_nothing_was_inserted(error: BaseException) -> bool:
    """Milvus has no collection before the first chunk comes."""
    return type(error).__name__ == "MilvusException" and getattr(error, "code", None) == COLLECTION_NOT_FOUND


def _after_reading_all(method: AsyncFunction) -> AsyncFunction:
    @functools.wraps(method)
    async def do(self: Any, *arguments: Any, **options: Any) -> Any:
        await _resume(self)
        if is_shared(self.kvstore):
            self.openai_vector_stores = await self._load_openai_vector_stores()
        return await method(self, *arguments, **options)

    return do


def _after_reading(method: AsyncFunction, module: ModuleType) -> AsyncFunction:
    """The method, with the store and the file batch that it is about as they are stored."""
    signature = inspect.signature(method)

    @functools.wraps(method)
    async def do(self: Any, *arguments: Any, **options: Any) -> Any:
        await _resume(self)
        if is_shared(self.kvstore):
            given = signature.bind(self, *arguments, **options).arguments
            await _read(self, module.OPENAI_VECTOR_STORES_PREFIX, given["vector_store_id"], self.openai_vector_stores)
            batch_id = given.get("batch_id")
            if batch_id and batch_id not in self._file_batch_tasks:  # this process's own are newer in memory
                prefix = module.OPENAI_VECTOR_STORES_FILE_BATCHES_PREFIX
                await _read(self, prefix, batch_id, self.openai_file_batches)
        return await method(self, *arguments, **options)

    return do


async def _read(self: Any, prefix: str, identifier: str, known: dict[str, Record]) -> None:
    stored = await self.kvstore.get(f"{prefix}{identifier}")
    if stored is None:
        known.pop(identifier, None)
    else:
        known[identifier] = json.loads(stored)


def _merging(method: AsyncFunction, module: ModuleType) -> AsyncFunction:
    """The method that writes a store's record, as one step with a look at what is stored."""

    @functools.wraps(method)
    async def save(self: Any, store_id: str, store_info: Record) -> None:
        records = _records(self)
        if records is None:
            await method(self, store_id, store_info)
            return
        change = _change.get()
        if change and change.status is None:
            file = await self._load_openai_vector_store_file(store_id, change.file_id)
            change = FileChange(change.file_id, file["status"])
        key = f"{module.OPENAI_VECTOR_STORES_PREFIX}{store_id}"
        merged = await asyncio.get_running_loop().run_in_executor(
            records.thread, records.store.transact, key, lambda step: _write(step, key, store_info, change)
        )
        # Upstream goes on with this very dictionary.
        store_info.update(merged or {})
        self.openai_vector_stores[store_id] = store_info

    return save


def _write(step: Transaction, key: str, wanted: Record, change: FileChange | None) -> Record | None:
    stored = step.get(key)
    merged = merge(json.loads(stored) if stored else None, wanted, change)
    if merged is not None:
        step.put(key, json.dumps(merged))
    return merged


@dataclass(frozen=True)
class _Records:
    """A provider's records where they can be changed in one step. One thread, hence one connection, will do."""

    store: Store
    thread: ThreadPoolExecutor


def _records(self: Any) -> _Records | None:
    """None where no other process writes records, or where they are in a store without transactions."""
    if "records" not in self.__dict__:
        self.records = None
        if is_shared(self.kvstore):
            with suppress(AttributeError, ValueError):  # a provider of other people's, MongoDB
                self.records = _Records(open_store(self.config.persistence), ThreadPoolExecutor(1))
    records: _Records | None = self.records
    return records


def _closing_records(method: AsyncFunction) -> AsyncFunction:
    @functools.wraps(method)
    async def shutdown(self: Any) -> None:
        await method(self)
        if records := self.__dict__.pop("records", None):
            records.thread.shutdown()
            records.store.close()

    return shutdown


async def _resume_later(self: Any) -> None:
    """Upstream resumes interrupted file batches in the event loop of the start, where they die with it."""
    self.has_batches_to_resume = True


async def _resume(self: Any) -> None:
    if not self.__dict__.pop("has_batches_to_resume", False):
        return
    for batch_id, batch in list(self.openai_file_batches.items()):
        if batch["status"] == "in_progress":
            remaining = await self._analyze_batch_completion_on_resume(batch_id, batch)
            if remaining:
                work = self._process_file_batch_async(batch_id, batch, remaining)
                self._file_batch_tasks[batch_id] = asyncio.create_task(work)
