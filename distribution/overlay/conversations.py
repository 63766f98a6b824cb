"""Conversations whose items all are there, in the order in which they came, for clients and for the model.

Upstream lists the first twenty items whatever it is asked for, orders them by a clock of whole seconds, and shows
the model messages of its own, which know nothing of the items that were added or deleted since.
"""

import asyncio
import functools
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from types import ModuleType
from typing import Annotated, Any, Literal
from weakref import WeakValueDictionary

from fastapi import Query

TABLE = "conversation_items"
MESSAGES = "conversation_messages"

Limit = Annotated[int, Query(ge=1, le=100)]
Row = dict[str, Any]


def change_conversations(module: ModuleType) -> None:
    """llama_stack.core.conversations.conversations: list all items, in order, and delete what is deleted."""
    adapter = module.TypeAdapter(module.ConversationItem)
    service: Any = module.ConversationServiceImpl
    create, delete_item = service.create_conversation, service.openai_delete_conversation_item

    def item_list(data: list[Row], has_more: bool = False) -> Any:
        items = [adapter.validate_python(one) for one in data]
        first_id, last_id = (items[0].id, items[-1].id) if items else (None, None)
        return module.ConversationItemList(data=items, first_id=first_id, last_id=last_id, has_more=has_more)

    @functools.wraps(create)
    async def create_conversation(self: Any, items: Any = None, metadata: Any = None) -> Any:
        conversation = await create(self, None, metadata)
        if items:
            await self.add_items(conversation.id, items)
        return conversation

    @functools.wraps(service.add_items)
    async def add_items(self: Any, conversation_id: str, items: list[Any]) -> Any:
        async with _only_one(self, conversation_id):
            await self._get_validated_conversation(conversation_id)
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
            return item_list(data)

    async def list_items(
        self: Any,
        conversation_id: str,
        after: str | None = None,
        include: Annotated[list[str] | None, Query()] = None,
        limit: Limit = 20,
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
        return item_list([row["item_data"] for row in rows[:limit]], len(rows) > limit)

    async def all_items(self: Any, conversation_id: str) -> list[Any]:
        return [adapter.validate_python(row["item_data"]) for row in await _rows(self, conversation_id)]

    async def openai_delete_conversation(self: Any, conversation_id: str) -> Any:
        async with _only_one(self, conversation_id):
            await self.get_conversation(conversation_id)
            if responses_store := self.__dict__.get("responses_store"):
                await responses_store.sql_store.delete(MESSAGES, {"conversation_id": conversation_id})
            await self.sql_store.delete(TABLE, {"conversation_id": conversation_id})
            await self.sql_store.delete("openai_conversations", {"id": conversation_id})
        return module.ConversationDeletedResource(id=conversation_id)

    @functools.wraps(delete_item)
    async def openai_delete_conversation_item(self: Any, conversation_id: str, item_id: str) -> Any:
        async with _only_one(self, conversation_id):
            return await delete_item(self, conversation_id, item_id)

    service.create_conversation, service.add_items, service.all_items = create_conversation, add_items, all_items
    service.list = list_items
    service.openai_delete_conversation = openai_delete_conversation
    service.openai_delete_conversation_item = openai_delete_conversation_item


def change_responses(module: ModuleType) -> None:
    """llama_stack.providers.inline.agents.meta_reference.responses.openai_responses: show the model the items.

    The messages that upstream stores beside them are neither written nor read any more: a client, or another
    replica, may have changed the items since.
    """
    from llama_stack.apis.agents.openai_responses import OpenAIResponseOutputMessageMCPCall as Call

    responses: Any = module.OpenAIResponsesImpl
    initialize, process = responses.__init__, responses._process_input_with_previous_response

    @functools.wraps(initialize)
    def with_messages_to_delete(self: Any, *arguments: Any, **options: Any) -> None:
        initialize(self, *arguments, **options)
        self.conversations_api.responses_store = self.responses_store

    @functools.wraps(process)
    async def process_input(
        self: Any, input: Any, tools: Any, previous_response_id: str | None, conversation: str | None
    ) -> Any:
        if previous_response_id or conversation is None:
            return await process(self, input, tools, previous_response_id, conversation)
        items = await self.conversations_api.all_items(conversation)
        messages = await _messages(module.convert_response_input_to_chat_messages, _with_results(items, Call))
        # Told of earlier messages, upstream leaves out a user's message that says the last one again. That is meant for
        # clients that repeat what the outputs of their functions belong to, not for users who say "go on" twice.
        has_outputs = not isinstance(input, str) and any(item.type == "function_call_output" for item in input)
        messages += await module.convert_response_input_to_chat_messages(
            input, previous_messages=messages if has_outputs else None
        )
        return input, messages, module.ToolContext(tools)

    async def forget_messages(self: Any, conversation_id: str, messages: Any) -> None:
        await self.sql_store.delete(MESSAGES, {"conversation_id": conversation_id})

    responses.__init__, responses._process_input_with_previous_response = with_messages_to_delete, process_input
    module.ResponsesStore.store_conversation_messages = forget_messages


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
