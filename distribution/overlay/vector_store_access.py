"""Vector stores: who may read one does not thereby change it, and file batches are worked at as who sent them."""

import inspect
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import Any

from distribution.overlay.declaration import change

ROUTER = "llama_stack.core.routers.vector_io:VectorIORouter"
MIXIN = "llama_stack.providers.utils.memory.openai_vector_store_mixin:OpenAIVectorStoreMixin"
OWNER = "owner"
"""Where the record of a file batch says who sent it."""

AsyncFunction = Callable[..., Awaitable[Any]]

CHANGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "insert_chunks": ("update", ("self", "vector_db_id", "chunks", "ttl_seconds")),
    "openai_update_vector_store": ("update", ("self", "vector_store_id", "name", "expires_after", "metadata")),
    "openai_attach_file_to_vector_store": (
        "update",
        ("self", "vector_store_id", "file_id", "attributes", "chunking_strategy"),
    ),
    "openai_update_vector_store_file": ("update", ("self", "vector_store_id", "file_id", "attributes")),
    "openai_delete_vector_store_file": ("delete", ("self", "vector_store_id", "file_id")),
    "openai_create_vector_store_file_batch": ("update", ("self", "vector_store_id", "params")),
    "openai_cancel_vector_store_file_batch": ("update", ("self", "batch_id", "vector_store_id")),
}
"""What changes a store, which action upstream takes it for since 0.4.0, and what it takes."""


def checked(action: str) -> Callable[[AsyncFunction], AsyncFunction]:
    def make(method: AsyncFunction) -> AsyncFunction:
        signature = inspect.signature(method)

        async def do(self: Any, *arguments: Any, **options: Any) -> Any:
            given = signature.bind(self, *arguments, **options).arguments
            store_id = given.get("vector_store_id") or given["vector_db_id"]
            await self.routing_table.assert_action_allowed(action, "vector_store", store_id)
            return await method(self, *arguments, **options)

        return do

    return make


for name, (action, takes) in CHANGES.items():
    change(
        f"{ROUTER}.{name}",
        takes=takes,
        why="Who may read a vector store changes it as well: the router asks its provider without asking who may.",
        reference="llamastack/llama-stack#4394",
        fixed_in="0.4.0",
        advisory="resources-used-unchecked",
    )(checked(action))


@change(
    f"{MIXIN}._save_openai_vector_store_file_batch",
    takes=("self", "batch_id", "batch_info"),
    why="A file batch does not say who sent it. One that the server's end has interrupted is taken up by whoever asks "
    "first after the start, with that user's files.",
    advisory="background-identity",
)
def saving_with_owner(save: AsyncFunction) -> AsyncFunction:
    from llama_stack.core.request_headers import get_authenticated_user

    async def save_batch(self: Any, batch_id: str, batch_info: dict[str, Any]) -> None:
        user = get_authenticated_user()
        if user is not None and batch_id not in self.openai_file_batches:
            batch_info[OWNER] = user.model_dump()
        await save(self, batch_id, batch_info)

    return save_batch


@change(
    "llama_stack.providers.inline.tool_runtime.rag.memory:MemoryToolRuntimeImpl.insert",
    takes=("self", "documents", "vector_db_id", "chunk_size_in_tokens"),
    why="Documents for a vector store that is not there, or is another user's, are uploaded, then left where they are, "
    "and the answer is 200.",
    advisory="resources-used-unchecked",
)
def insert(original: AsyncFunction) -> AsyncFunction:
    async def insert(self: Any, documents: Any, vector_db_id: str, chunk_size_in_tokens: int = 512) -> None:
        await self.vector_io_api.openai_retrieve_vector_store(vector_db_id)
        await original(self, documents, vector_db_id, chunk_size_in_tokens)

    return insert


@change(
    f"{MIXIN}._get_and_validate_batch",
    takes=("self", "batch_id", "vector_store_id"),
    why="The answer to a file batch's id with another vector store tells that there is such a batch.",
    advisory="resources-used-unchecked",
)
def get_batch(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_batch(self: Any, batch_id: str, vector_store_id: str) -> Any:
        known = self.openai_file_batches.get(batch_id)
        if known is not None and known["vector_store_id"] != vector_store_id:
            raise ValueError(f"File batch {batch_id} not found")
        return original(self, batch_id, vector_store_id)

    return get_batch


def as_sender(batch: dict[str, Any]) -> Context:
    """A context in which the user is the one who sent a file batch, and nobody where its record does not say."""
    from llama_stack.core.datatypes import User
    from llama_stack.core.request_headers import PROVIDER_DATA_VAR

    context = copy_context()
    sender = batch.get(OWNER)
    request: Any = {"__authenticated_user": User(**sender)} if sender else None
    context.run(PROVIDER_DATA_VAR.set, request)
    return context
