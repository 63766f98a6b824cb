"""Import hooks that put this distribution's changes on llama-stack, whoever starts it.

A line in a .pth file of the site directory imports this module whenever Python starts, so it imports nothing
else: programs that never import llama-stack pay for one entry in sys.meta_path.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Module -> the function in distribution.overlay, as module.function, that is called with it once it has been imported.
HOOKED = {
    "llama_stack.apis.vector_io.vector_io": "changes.change_vector_scores",
    "llama_stack.cli.stack.run": "changes.change_command_line",
    "llama_stack.core.conversations.conversations": "conversations.change_conversations",
    "llama_stack.core.distribution": "registry.change_registry",
    "llama_stack.core.providers": "health.change_health",
    "llama_stack.core.routers.inference": "changes.change_inference_router",
    "llama_stack.core.routers.vector_io": "vector_stores.change_router",
    "llama_stack.core.routing_tables.common": "replicas.change_routing",
    "llama_stack.core.routing_tables.models": "models.change_models",
    "llama_stack.core.server.server": "changes.change_server",
    "llama_stack.core.stack": "changes.change_stack",
    "llama_stack.core.store.registry": "replicas.change_resource_registry",
    "llama_stack.core.utils.config": "changes.change_redaction",
    "llama_stack.providers.inline.agents.meta_reference.responses.openai_responses": "conversations.change_responses",
    "llama_stack.providers.inline.batches.reference.batches": "batches.change_batches",
    "llama_stack.providers.registry": "registry.change_registry_package",
    "llama_stack.providers.remote.vector_io.pgvector.pgvector": "vector_stores.change_pgvector",
    "llama_stack.providers.utils.inference.inference_store": "storage.change_completions_store",
    "llama_stack.providers.utils.kvstore.postgres.postgres": "storage.change_postgres",
    "llama_stack.providers.utils.kvstore.redis.redis": "storage.change_redis",
    "llama_stack.providers.utils.memory.openai_vector_store_mixin": "vector_stores.change_vector_stores",
    "llama_stack.providers.utils.responses.responses_store": "storage.change_responses_store",
    "uvicorn.config": "changes.change_uvicorn_config",
    "uvicorn.supervisors.multiprocess": "changes.change_uvicorn_workers",
}


class Finder:
    """Finds hooked modules as everybody else does, and has their loader call the hook afterwards."""

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        """Return the module's own spec with a wrapped loader, or None for all other modules."""
        if name not in HOOKED:
            return None
        for finder in sys.meta_path:
            if finder is self:
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    _call_after(spec.loader, HOOKED[name])
                return spec
        return None


def _call_after(loader: "Any", change: str) -> None:
    execute = loader.exec_module

    def execute_then_change(module: "Any") -> None:
        execute(module)
        from importlib import import_module

        place, _, function = change.partition(".")
        getattr(import_module(f"distribution.overlay.{place}"), function)(module)

    loader.exec_module = execute_then_change


if not any(isinstance(finder, Finder) for finder in sys.meta_path):
    sys.meta_path.insert(0, Finder())
