"""Stored chat completions: those that clients ask for, and no others, before they are acknowledged."""

import functools
from typing import Any

from distribution.overlay.declaration import change


@change(
    "llama_stack.core.routers:InferenceStore",
    why="Stored completions go to the table `chat_completions` whatever `storage.stores.inference.table_name` says: "
    "two distributions in one database have theirs in common. On PostgreSQL they are left to workers that are started "
    "in the event loop of the start, where they die. An id that a backend gives twice has another user's written over. "
    "Their usage is not kept. Here is a store that does better; a database with upstream's table goes on with it.",
    reference="llamastack/llama-stack#4371, #4372, #4373, #5554",
    fixed_in="0.3.5 in part",
    advisory="stored-completions-in-common",
)
def store(original: Any) -> Any:
    from providers.completions.store import CompletionsStore

    return CompletionsStore


@change(
    "llama_stack.core.routers.inference:InferenceRouter",
    why="A chat completion is answered before it is stored, so that it is not there when it is read at once, or never; "
    "`store: false` is not obeyed, and what Responses, agents, shields and scoring functions ask models for themselves "
    "is stored as if a client had. Here routes store what clients ask for, before the last of it is sent.",
    reference="llamastack/llama-stack#4261, #4373, #5305",
    fixed_in="0.8.0 in part",
    advisory="completions-stored-unasked",
)
def router(original: Any) -> Any:
    from providers.completions.routes import CompletionRoutes

    return type("InferenceRouter", (CompletionRoutes, original), {"__module__": original.__module__})


@change(
    "llama_stack.core.resolver:api_protocol_map",
    takes=("external_apis",),
    why="Stored completions cannot be updated or deleted, and their messages not listed, as in OpenAI's API. What a "
    "client asks for and what a feature of the server asks for itself is one method.",
)
def api_protocol_map(original: Any) -> Any:
    from llama_stack.apis.datatypes import Api

    def api_protocol_map(external_apis: Any = None) -> dict[Any, Any]:
        return {**original(external_apis), Api.inference: _inference()}

    return api_protocol_map


@functools.cache
def _inference() -> type:
    """The inference API as clients have it. It is made when it is asked for: verification does not need the routes."""
    from llama_stack.apis.inference import Inference

    from providers.completions.routes import CompletionRoutes

    async def openai_chat_completion(self: Any, params: Any) -> Any:
        """What features of the server call: no route leads to it."""
        raise NotImplementedError

    routes = {name: one for name, one in vars(CompletionRoutes).items() if hasattr(one, "__webmethods__")}
    return type("Inference", (Inference,), {"openai_chat_completion": openai_chat_completion, **routes})


@change(
    "llama_stack.core.server.server:create_app",
    takes=(),
    why="Stored completions are kept for ever.",
)
def create_app(original: Any) -> Any:
    def create_app() -> Any:
        from llama_stack.apis.datatypes import Api

        from providers.completions.housekeeping import keep_house
        from providers.lifespan import run_alongside

        app = original()
        if store := _store_of(app.stack.impls.get(Api.inference)):
            run_alongside(app, lambda: keep_house(store, store.settings.days))
        return app

    return create_app


@change(
    "llama_stack.core.inspect:DistributionInspectImpl.health",
    takes=("self",),
    why="A server that answers chat completions and cannot store them says that all is well. It goes on to answer, "
    "with the status 200, and says what is lost.",
)
def health(original: Any) -> Any:
    from llama_stack.apis.datatypes import Api

    async def health(self: Any) -> Any:
        said = await original(self)
        store = _store_of(self.deps.get(Api.inference))
        if store and (lost := store.losses.told()):
            return {"status": said.status, "detail": lost}
        return said

    return health


def _store_of(inference: Any) -> Any:
    return getattr(inference, "completions", None)
