"""Settings of ``inline::prompts``."""

from typing import Any

from llama_stack.core.storage.datatypes import KVStoreReference
from pydantic import BaseModel, ConfigDict, Field

# Where llama-stack's built-in service keeps prompts.
BUILT_IN_NAMESPACE = "prompts"


class PromptStoreReference(KVStoreReference):
    """A key-value backend and the namespace of the prompts in it."""

    namespace: str = Field(
        default=BUILT_IN_NAMESPACE,
        min_length=1,
        description="Prefix of the keys in Redis and PostgreSQL (llama-stack has none in SQLite). "
        "With `prompts`, what llama-stack's built-in service wrote is still there",
    )


class PromptsConfig(BaseModel):
    """The ``config:`` of an ``inline::prompts`` provider."""

    model_config = ConfigDict(extra="forbid")

    persistence: PromptStoreReference = Field(
        description="Where the prompts are kept: a backend of type kv_sqlite, kv_postgres or kv_redis"
    )

    @classmethod
    def sample_run_config(cls, **_: Any) -> dict[str, Any]:
        """Return the config that `llama stack` writes into a new run config."""
        return {"persistence": {"backend": "kv_default", "namespace": BUILT_IN_NAMESPACE}}
