"""The routes of chat completions: what a client asks for is stored before it is answered, and can be managed then.

A part of llama-stack's inference router. Its own `openai_chat_completion` is what the server's features call for
themselves, as Responses, agents and shields do: nothing of that is stored.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import Body, Depends, Query, Request
from llama_stack.apis.inference import OpenAIChatCompletionRequestWithExtraBody
from llama_stack.apis.version import LLAMA_STACK_API_V1
from llama_stack.schema_utils import webmethod
from openai import BaseModel as OpenAIModel

from providers.completions.assembly import Assembly
from providers.completions.pages import as_completion, as_list, as_messages
from providers.completions.record import Asked, StoredCompletion, as_json
from providers.completions.requests import checked_metadata
from providers.completions.store import CompletionsStore

MOST_HELD = 16
"""How many chunks after the last text wait until the completion is stored: the end of it, and what it took."""
_METADATA = re.compile(r"metadata\[(.*)\]", re.DOTALL)

Limit = Annotated[int, Query(ge=1, le=100)]
Order = Literal["asc", "desc"]


def _metadata_filter(request: Request) -> dict[str, str]:
    """`metadata[name]=value` of a query, which is how OpenAI's client writes an object there."""
    named = [(_METADATA.fullmatch(name), value) for name, value in request.query_params.multi_items()]
    return {match[1]: value for match, value in named if match}


class CompletionRoutes:
    """Routes for an inference router, which is the next class in the order of methods."""

    def __init__(self, routing_table: Any, telemetry: Any = None, store: CompletionsStore | None = None) -> None:
        super().__init__(routing_table, telemetry, None)  # type: ignore[call-arg]
        self.completions = store
        self._storing: set[asyncio.Task[None]] = set()

    async def shutdown(self) -> None:
        """Store what clients have left behind, then close the store."""
        await asyncio.gather(*self._storing, return_exceptions=True)
        if self.completions:
            await self.completions.shutdown()

    @webmethod(route="/openai/v1/chat/completions", method="POST", level=LLAMA_STACK_API_V1, deprecated=True)
    @webmethod(route="/chat/completions", method="POST", level=LLAMA_STACK_API_V1)
    async def create_chat_completion(
        self, params: Annotated[OpenAIChatCompletionRequestWithExtraBody, Body(...)]
    ) -> Any:
        """Create a chat completion, and store it unless the request or the operator says not to.

        `store` and `metadata` are for this server's store: the model's server does not get them.
        """
        upstream: Any = super()
        extra = params.model_extra or {}
        store, metadata = extra.pop("store", None), checked_metadata(extra.pop("metadata", None))
        if self.completions is None or not self.completions.keeps(store):
            return await upstream.openai_chat_completion(params)
        asked = Asked(params.model, as_json([one.model_dump(exclude_none=True) for one in params.messages]), metadata)
        answer = await upstream.openai_chat_completion(params)
        if params.stream:
            assembly = Assembly(params.n or 1)
            return self._stored_stream(answer, assembly, lambda: asked.answered(assembly.completion()))
        await self._store.keep(lambda: asked.answered(_plain(answer)))
        return answer

    async def _stored_stream(
        self, chunks: AsyncGenerator[Any], assembly: Assembly, completion: Callable[[], StoredCompletion]
    ) -> AsyncGenerator[Any]:
        """Pass chunks on as they come, and the last ones when all is stored.

        What came before the client left is stored too; what ends with an error before its end is no completion.
        """
        held: list[Any] = []
        failure: Exception | None = None
        try:
            try:
                async with aclosing(chunks):
                    async for chunk in chunks:
                        assembly.add(_plain(chunk))
                        held.append(chunk)
                        while held and not (assembly.is_finished and len(held) <= MOST_HELD):
                            yield held.pop(0)
            except Exception as error:
                if not assembly.is_finished:
                    raise
                failure = error
            await self._store.keep(completion)
        except (GeneratorExit, asyncio.CancelledError):
            if assembly.has_begun:
                self._keep_later(completion)
            raise
        for chunk in held:
            yield chunk
        if failure:
            raise failure

    def _keep_later(self, completion: Callable[[], StoredCompletion]) -> None:
        """Store what nobody waits for, after what is being ended here."""
        task = asyncio.create_task(self._store.keep(completion))
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)

    @webmethod(route="/openai/v1/chat/completions", method="GET", level=LLAMA_STACK_API_V1, deprecated=True)
    @webmethod(route="/chat/completions", method="GET", level=LLAMA_STACK_API_V1)
    async def list_chat_completions(
        self,
        after: str | None = None,
        limit: Limit = 20,
        model: str | None = None,
        order: Order = "desc",
        metadata: Annotated[dict[str, str] | None, Depends(_metadata_filter)] = None,
    ) -> Any:
        """List stored chat completions, those that follow the one that ``after`` names."""
        wanted = checked_metadata(metadata) or {}
        page = await self._store.page(
            after=after, limit=limit, newest_first=order == "desc", model=model, metadata=wanted
        )
        return as_list([as_completion(row) for row in page.rows], page.has_more)

    @webmethod(
        route="/openai/v1/chat/completions/{completion_id}", method="GET", level=LLAMA_STACK_API_V1, deprecated=True
    )
    @webmethod(route="/chat/completions/{completion_id}", method="GET", level=LLAMA_STACK_API_V1)
    async def get_chat_completion(self, completion_id: str) -> Any:
        """Return a stored chat completion."""
        return as_completion(await self._store.get(completion_id))

    @webmethod(route="/chat/completions/{completion_id}", method="POST", level=LLAMA_STACK_API_V1)
    async def update_chat_completion(self, completion_id: str, metadata: dict[str, str] | None) -> Any:
        """Change the metadata of a stored chat completion."""
        return as_completion(await self._store.set_metadata(completion_id, checked_metadata(metadata)))

    @webmethod(route="/chat/completions/{completion_id}", method="DELETE", level=LLAMA_STACK_API_V1)
    async def delete_chat_completion(self, completion_id: str) -> Any:
        """Remove a stored chat completion."""
        await self._store.remove(completion_id)
        return {"object": "chat.completion.deleted", "id": completion_id, "deleted": True}

    @webmethod(route="/chat/completions/{completion_id}/messages", method="GET", level=LLAMA_STACK_API_V1)
    async def list_chat_completion_messages(
        self, completion_id: str, after: str | None = None, limit: Limit = 20, order: Order = "asc"
    ) -> Any:
        """List the messages that a stored chat completion answers."""
        messages = as_messages(await self._store.get(completion_id))
        if order == "desc":
            messages.reverse()
        if after is not None:
            ids = [message["id"] for message in messages]
            if after not in ids:
                raise ValueError(f"`after` names no message of {completion_id}: {after}")
            messages = messages[ids.index(after) + 1 :]
        return as_list(messages[:limit], len(messages) > limit)

    @property
    def _store(self) -> CompletionsStore:
        if self.completions is None:
            raise NotImplementedError("chat completions are not stored: the run config has no store for them")
        return self.completions


def _plain(answer: Any) -> dict[str, Any]:
    """What a model's server has said, as its provider's object holds it.

    Others than OpenAI's have what is always the same, such as the role, as defaults.
    """
    left_out = {"exclude_unset": True} if isinstance(answer, OpenAIModel) else {"exclude_none": True}
    said: dict[str, Any] = answer.model_dump(**left_out, warnings=False)
    return said
