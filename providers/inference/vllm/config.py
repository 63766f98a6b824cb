"""Settings of ``remote::vllm``: those of llama-stack's own, and which models make embeddings."""

from typing import Annotated, Any, ClassVar

from llama_stack.providers.remote.inference.vllm.config import VLLMInferenceAdapterConfig
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from providers.config_traits import NeededToStart, ServiceUrl


class EmbeddingModel(BaseModel):
    """What llama-stack has to know of an embedding model; vLLM does not tell."""

    model_config = ConfigDict(extra="forbid")

    embedding_dimension: PositiveInt = Field(description="Length of the vectors")
    context_length: PositiveInt | None = Field(default=None, description="Longest input, in tokens")

    def metadata(self) -> dict[str, Any]:
        """Return what the model registry keeps of it."""
        return self.model_dump(exclude_none=True)


class VLLMConfig(VLLMInferenceAdapterConfig):
    """The ``config:`` of a ``remote::vllm`` provider."""

    LISTS_EMBEDDINGS_AS_CHAT: ClassVar = True

    url: Annotated[str | None, NeededToStart(), ServiceUrl()] = Field(
        default=None,
        description="The URL for the vLLM model serving endpoint",
    )

    allowed_models: list[str] | None = Field(
        default=None,
        description="Served models that are listed without being registered (default: all). This limits no "
        "request, and no model that is registered or named below",
    )
    max_tokens: int = Field(
        default=4096,
        description="Longest answer in tokens where a chat request does not say; less where the context of "
        "the model has no room for it. 0 leaves it to vLLM",
        ge=0,
    )
    embedding_models: dict[str, EmbeddingModel] = Field(
        default_factory=dict,
        description="Embedding models that this vLLM serves, by the name it gives them",
    )
