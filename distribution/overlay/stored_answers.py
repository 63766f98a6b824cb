"""Chat completions and Responses are stored before they are acknowledged."""

from typing import Any

from distribution.overlay.declaration import change


def without_write_queue(original: None) -> property:
    return property(lambda self: False, lambda self, wanted: None)


change(
    "llama_stack.providers.utils.inference.inference_store:InferenceStore.enable_write_queue",
    adds=True,
    why="On PostgreSQL upstream leaves the writing to workers that it starts in the event loop of the start, where "
    "they die: no chat completion is ever stored. Until 0.8.0 it is acknowledged before it is written.",
    reference="llamastack/llama-stack#4373",
    fixed_in="0.3.5 in part",
)(without_write_queue)
change(
    "llama_stack.providers.utils.responses.responses_store:ResponsesStore.enable_write_queue",
    adds=True,
    why="Upstream reads this setting and makes it for SQLite only: agents do not start on PostgreSQL.",
    reference="llamastack/llama-stack#4264",
    fixed_in="0.3.4",
)(without_write_queue)


@change(
    "llama_stack.providers.utils.inference.inference_store:sqlstore_impl",
    takes=("reference",),
    why="Stored completions go to the table `chat_completions` whatever `storage.stores.inference.table_name` says: "
    "two distributions in one database have theirs in common. A database with that table goes on with it.",
    reference="llamastack/llama-stack#4371, #4372",
    fixed_in="0.3.5",
    advisory="stored-completions-in-common",
)
def store_with_its_table(original: Any) -> Any:
    def sqlstore_impl(reference: Any) -> Any:
        return CompletionsTable(original(reference), reference.table_name)

    return sqlstore_impl


class CompletionsTable:
    """An SQL store of upstream's, with the table that upstream calls `chat_completions` under its configured name."""

    def __init__(self, store: Any, name: str) -> None:
        self.store = store
        self.name = name
        self.config = store.config

    async def create_table(self, table: str, schema: Any) -> None:
        """Create the table, unless the database has one of upstream's name, which then is the table."""
        if await self.store.has_table(table):
            self.name = table
        await self.store.create_table(self.name, schema)

    def __getattr__(self, method: str) -> Any:
        """Return a method of the store, whose first parameter is the table's name in all of them."""
        original = getattr(self.store, method)

        def with_its_table(table: str, *arguments: Any, **options: Any) -> Any:
            return original(self.name, *arguments, **options)

        return with_its_table


@change(
    "llama_stack.core.routers.inference:OpenAIChoiceLogprobs",
    why="Streamed log probabilities come as the OpenAI client's objects, which upstream's model refuses when the "
    "completion is put together to be stored: the stream ends with an error.",
    reference="llamastack/llama-stack#4261",
    fixed_in="0.4.0",
)
def choice_logprobs(original: Any) -> Any:
    def choice_logprobs(content: list[Any]) -> Any:
        return original(content=[token.model_dump() for token in content])

    return choice_logprobs
