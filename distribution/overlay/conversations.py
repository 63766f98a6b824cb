"""Conversations whose items all are there, in the order in which they came, for clients and for the model.

Upstream lists the first twenty items whatever it is asked for, orders them by a clock of whole seconds, and shows
the model messages of its own, which know nothing of the items that were added or deleted since.
"""

import asyncio
import inspect
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any, Literal
from weakref import WeakValueDictionary

from distribution.overlay.declaration import change

SERVICE = "llama_stack.core.conversations.conversations:ConversationServiceImpl"
RESPONSES = "llama_stack.providers.inline.agents.meta_reference.responses.openai_responses"
TABLE = "conversation_items"
MESSAGES = "conversation_messages"

Row = dict[str, Any]


@change(
    f"{SERVICE}.__init__",
    takes=("self", "config", "deps"),
    why="`server.auth.access_policy` does not hold for conversations.",
    reference="llamastack/llama-stack#4834",
    fixed_in="0.6.0",
    advisory="conversations-of-others",
)
def with_policy(initialize: Any) -> Any:
    def with_policy(self: Any, config: Any, deps: Any) -> None:
        auth = config.run_config.server.auth
        policy = auth.access_policy if auth else []
        initialize(self, config.model_copy(update={"policy": policy}), deps)

    return with_policy


@change(
    f"{SERVICE}.require_update",
    adds=True,
    why="Who may read a conversation adds to it: an item is a row of its own.",
    advisory="conversations-of-others",
)
def require_update(original: None) -> Any:
    from providers.access.records import Access, Owner

    async def require_update(self: Any, conversation_id: str) -> None:
        await self.get_conversation(conversation_id)
        row = await self.sql_store.fetch_one("openai_conversations", where={"id": conversation_id})
        owner = Owner(row["owner_principal"] or "", row["access_attributes"])
        Access(self.policy, "sql_record::openai_conversations").require("update", conversation_id, owner)

    return require_update


@change(
    f"{SERVICE}.update_conversation",
    takes=("self", "conversation_id", "metadata"),
    why="Anybody changes the metadata of any conversation.",
    reference="llamastack/llama-stack#4834",
    fixed_in="0.6.0",
    advisory="conversations-of-others",
)
def update_conversation(update: Any) -> Any:
    async def update_conversation(self: Any, conversation_id: str, metadata: Any) -> Any:
        await self.get_conversation(conversation_id)
        return await update(self, conversation_id, metadata)

    return update_conversation


@change(
    f"{SERVICE}.create_conversation",
    takes=("self", "items", "metadata"),
    why="Items given with a new conversation are stored out of order (see add_items).",
    reference="llamastack/llama-stack#5849",
    fixed_in="ogx 1.1.0",
)
def create_conversation(create: Any) -> Any:
    async def create_conversation(self: Any, items: Any = None, metadata: Any = None) -> Any:
        conversation = await create(self, None, metadata)
        if items:
            await self.add_items(conversation.id, items)
        return conversation

    return create_conversation


@change(
    f"{SERVICE}.add_items",
    takes=("self", "conversation_id", "items"),
    why="Items are ordered by a clock of whole seconds: those of one second come in any order.",
    reference="llamastack/llama-stack#5849",
    fixed_in="ogx 1.1.0",
)
def add_items(original: Any) -> Any:
    async def add_items(self: Any, conversation_id: str, items: list[Any]) -> Any:
        async with _only_one(self, conversation_id):
            await self._get_validated_conversation(conversation_id)
            await self.require_update(conversation_id)
            # Whoever owns the last one: rows are numbered by a clock that never stands still nor goes back.
            last = await self.sql_store.sql_store.fetch_one(
                TABLE, where={"conversation_id": conversation_id}, order_by=[("created_at", "desc")]
            )
            created_at = max(int(time.time()), last["created_at"] + 1 if last else 0)
            data = []
            for at, item in enumerate(items, created_at):
                item_data = item.model_dump()
                item_id = self._get_or_generate_item_id(item, item_data)
                row = {"id": item_id, "conversation_id": conversation_id, "created_at": at, "item_data": item_data}
                await _put(self.sql_store, row)
                data.append(item_data)
            return _item_list(data)

    return add_items


@change(
    f"{SERVICE}.list",
    takes=("self", "conversation_id", "after", "include", "limit", "order"),
    why="The first twenty items are listed whatever is asked for: `limit`, `after` and `order` do nothing.",
    reference="llamastack/llama-stack#3847, #5612",
    fixed_in="ogx 1.0.0",
)
def list_items(original: Any) -> Any:
    from fastapi import Query

    async def list_items(
        self: Any,
        conversation_id: str,
        after: str | None = None,
        include: Annotated[list[str] | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        order: Literal["asc", "desc"] = "desc",
    ) -> Any:
        rows = await _rows(self, conversation_id)
        if order == "desc":
            rows.reverse()
        if after is not None:
            ids = [row["id"] for row in rows]
            if after not in ids:
                raise ValueError(f"Item {after} not found in conversation {conversation_id}")
            rows = rows[ids.index(after) + 1 :]
        return _item_list([row["item_data"] for row in rows[:limit]], len(rows) > limit)

    # The route takes its parameters and their defaults from here, and not from the method that this one stands for.
    list_items.__signature__ = inspect.signature(list_items)  # type: ignore[attr-defined]
    return list_items


@change(
    f"{SERVICE}.all_items",
    adds=True,
    why="What the model is to be shown (see OpenAIResponsesImpl._process_input_with_previous_response).",
)
def all_items(original: None) -> Any:
    async def all_items(self: Any, conversation_id: str) -> list[Any]:
        items: list[Any] = _item_list([row["item_data"] for row in await _rows(self, conversation_id)]).data
        return items

    return all_items


@change(
    f"{SERVICE}.openai_delete_conversation",
    takes=("self", "conversation_id"),
    why="Anybody deletes any conversation, and its items and messages stay in the database.",
    reference="llamastack/llama-stack#4834, #6058",
    fixed_in="ogx 1.2.0",
    advisory="conversations-of-others",
)
def delete_conversation(original: Any) -> Any:
    from llama_stack.apis.conversations.conversations import ConversationDeletedResource

    async def openai_delete_conversation(self: Any, conversation_id: str) -> Any:
        async with _only_one(self, conversation_id):
            await self.get_conversation(conversation_id)
            # Asks whether the user may. Whoever does it away takes along what others have added.
            await self.sql_store.delete("openai_conversations", {"id": conversation_id})
            if responses_store := self.__dict__.get("responses_store"):
                await responses_store.sql_store.sql_store.delete(MESSAGES, {"conversation_id": conversation_id})
            await self.sql_store.sql_store.delete(TABLE, {"conversation_id": conversation_id})
        return ConversationDeletedResource(id=conversation_id)

    return openai_delete_conversation


@change(
    f"{SERVICE}.openai_delete_conversation_item",
    takes=("self", "conversation_id", "item_id"),
    why="An item that is deleted while others are added may be there again (see add_items).",
)
def delete_item(original: Any) -> Any:
    async def openai_delete_conversation_item(self: Any, conversation_id: str, item_id: str) -> Any:
        async with _only_one(self, conversation_id):
            return await original(self, conversation_id, item_id)

    return openai_delete_conversation_item


@change(
    f"{RESPONSES}:OpenAIResponsesImpl.__init__",
    why="A deleted conversation takes along the messages that Responses keep; its service must know their store.",
)
def initialize(original: Any) -> Any:
    def initialize(self: Any, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        self.conversations_api.responses_store = self.responses_store

    return initialize


@change(
    f"{RESPONSES}:OpenAIResponsesImpl._process_input_with_previous_response",
    takes=("self", "input", "tools", "previous_response_id", "conversation"),
    why="The model is shown messages that upstream stores beside the items: it knows nothing of items that clients or "
    "other replicas added or deleted since.",
)
def process_input(process: Any) -> Any:
    from llama_stack.apis.agents.openai_responses import OpenAIResponseOutputMessageMCPCall
    from llama_stack.providers.inline.agents.meta_reference.responses.types import ToolContext
    from llama_stack.providers.inline.agents.meta_reference.responses.utils import (
        convert_response_input_to_chat_messages as convert,
    )

    async def process_input(
        self: Any, input: Any, tools: Any, previous_response_id: str | None, conversation: str | None
    ) -> Any:
        if previous_response_id or conversation is None:
            return await process(self, input, tools, previous_response_id, conversation)
        await self.conversations_api.require_update(conversation)
        items = await self.conversations_api.all_items(conversation)
        messages = await _messages(convert, _with_results(items, OpenAIResponseOutputMessageMCPCall))
        # Told of earlier messages, upstream leaves out a user's message that says the last one again. That is meant for
        # clients that repeat what the outputs of their functions belong to, not for users who say "go on" twice.
        has_outputs = not isinstance(input, str) and any(item.type == "function_call_output" for item in input)
        messages += await convert(input, previous_messages=messages if has_outputs else None)
        return input, messages, ToolContext(tools)

    return process_input


@change(
    "llama_stack.providers.utils.responses.responses_store:ResponsesStore.store_conversation_messages",
    takes=("self", "conversation_id", "messages"),
    why="Messages beside the items are neither written nor read any more (see the one before); old ones go.",
)
def forget_messages(original: Any) -> Any:
    async def forget_messages(self: Any, conversation_id: str, messages: Any) -> None:
        await self.sql_store.sql_store.delete(MESSAGES, {"conversation_id": conversation_id})

    return forget_messages


def _item_list(data: list[Row], has_more: bool = False) -> Any:
    from llama_stack.apis.conversations.conversations import ConversationItem, ConversationItemList
    from pydantic import TypeAdapter

    adapter: TypeAdapter[Any] = TypeAdapter(ConversationItem)
    items = [adapter.validate_python(one) for one in data]
    first_id, last_id = (items[0].id, items[-1].id) if items else (None, None)
    return ConversationItemList(data=items, first_id=first_id, last_id=last_id, has_more=has_more)


def _only_one(self: Any, conversation_id: str) -> asyncio.Lock:
    """Have one change of a conversation at a time, as far as this process goes. A lock lives while it is in use."""
    locks: WeakValueDictionary[str, asyncio.Lock] = self.__dict__.setdefault("locks", WeakValueDictionary())
    return locks.setdefault(conversation_id, asyncio.Lock())


async def _put(store: Any, row: Row) -> None:
    """Insert an item. One that the conversation has stays in its place; another conversation's keeps its id."""
    try:
        await store.insert(TABLE, row)
    except Exception:
        here = {"id": row["id"], "conversation_id": row["conversation_id"]}
        if await store.fetch_one(TABLE, here):
            await store.update(TABLE, {"item_data": row["item_data"]}, here)
        else:
            prefix = row["id"].partition("_")[0]
            row["id"] = row["item_data"]["id"] = f"{prefix}_{secrets.token_hex(24)}"
            await store.insert(TABLE, row)


async def _rows(self: Any, conversation_id: str) -> list[Row]:
    """All items, oldest first. The sort is stable: what upstream wrote in one second stays as the table has it."""
    await self.get_conversation(conversation_id)
    found = await self.sql_store.fetch_all(TABLE, where={"conversation_id": conversation_id})
    return sorted(found.data, key=lambda row: row["created_at"])


def _with_results(items: Iterable[Any], call: Any) -> list[Any]:
    """The items that upstream can make messages of, or has no need to.

    It knows tools' calls with a result in MCP's form alone. A search of the web says nothing of what it found.
    """
    known = []
    for item in items:
        if item.type == "file_search_call":
            arguments = json.dumps({"query": " ".join(item.queries)})
            found = "\n".join(one.text for one in item.results or [])
            item = call(id=item.id, arguments=arguments, name="knowledge_search", server_label="", output=found)
        elif item.type == "mcp_call" and item.output is None:
            item = item.model_copy(update={"output": item.error or ""})
        if item.type != "web_search_call":
            known.append(item)
    return known


async def _messages(convert: Callable[..., Awaitable[list[Any]]], items: list[Any]) -> list[Any]:
    """The messages of items, with text as plain text: not every server takes a list of parts from an assistant."""
    messages = await convert(items)
    for message in messages:
        if isinstance(message.content, list) and all(part.type == "text" for part in message.content):
            message.content = "\n".join(part.text for part in message.content)
    return messages
