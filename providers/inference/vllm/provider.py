"""llama-stack's vLLM adapter, mended where it gets in the way."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, aclosing, suppress
from types import NoneType
from typing import Any, cast

from llama_stack.apis.inference import (
    OpenAIChatCompletionRequestWithExtraBody,
    OpenAICompletion,
    OpenAICompletionRequestWithExtraBody,
    OpenAIEmbeddingsRequestWithExtraBody,
    OpenAIEmbeddingsResponse,
)
from llama_stack.apis.models import Model, ModelType
from llama_stack.providers.datatypes import HealthResponse, HealthStatus
from llama_stack.providers.remote.inference.vllm.vllm import VLLMInferenceAdapter
from llama_stack.providers.utils.inference.openai_mixin import OpenAIMixin
from openai import AsyncOpenAI, BadRequestError
from pydantic import PrivateAttr

from providers.inference.destination import Destination
from providers.inference.vllm.clients import Clients
from providers.inference.vllm.config import VLLMConfig
from providers.inference.vllm.errors import VLLMError, vllm_errors
from providers.inference.vllm.stored_models import StoredModels

HEALTH_TIMEOUT = 2.0  # seconds


class VLLMProvider(VLLMInferenceAdapter):
    """Chat and embedding models served by vLLM, which may be down when the server starts."""

    config: VLLMConfig

    _clients: Clients = PrivateAttr()

    async def initialize(self) -> None:
        """Prepare without asking vLLM for anything; raises ValueError if the config names no URL."""
        await super().initialize()
        self._clients = Clients(self.get_base_url(), self.get_api_key() or "", self.config.tls_verify)

    async def shutdown(self) -> None:
        """Close the connections."""
        await self._clients.close()

    async def health(self) -> HealthResponse:
        """Ask vLLM whether its engine is alive."""
        root = self.get_base_url().rstrip("/").removesuffix("/v1")
        client = self.client.with_options(timeout=HEALTH_TIMEOUT, max_retries=0)
        try:
            with self._errors():
                await client.get(f"{root}/health", cast_to=NoneType)
        except Exception as error:
            status = f"{error.status_code}: " if isinstance(error, VLLMError) else ""
            return HealthResponse(status=HealthStatus.ERROR, message=f"{status}{error}")
        return HealthResponse(status=HealthStatus.OK)

    def destination(self) -> Destination:
        """Return where vLLM is, with the API token of the request if it brings one."""
        token = self._get_api_key_from_config_or_provider_data()
        headers = (("authorization", f"Bearer {token}"),) if token else ()
        return Destination("vLLM", self.get_base_url(), headers, self._clients.trust, self.config.max_tokens)

    @property
    def client(self) -> AsyncOpenAI:
        """The running loop's client, with the API token of the request if it brings one."""
        return self._clients.shared(self._get_api_key_from_config_or_provider_data() or "")

    async def openai_completion(self, params: OpenAICompletionRequestWithExtraBody) -> OpenAICompletion:
        """Complete a text."""
        with self._errors():
            completion = await super().openai_completion(params)
        return cast(OpenAICompletion, self._watched(completion)) if params.stream else completion

    async def openai_chat_completion(self, params: OpenAIChatCompletionRequestWithExtraBody) -> Any:
        """Answer in a chat."""
        with self._errors():
            completion = await self._chat(params)
        return self._watched(completion) if params.stream else completion

    async def openai_embeddings(self, params: OpenAIEmbeddingsRequestWithExtraBody) -> OpenAIEmbeddingsResponse:
        """Turn texts into vectors."""
        with self._errors():
            return await super().openai_embeddings(params)

    async def list_models(self) -> list[Model] | None:
        """Return the models that vLLM serves and may be listed, and the embedding models that were declared.

        Raises ConnectionError, TimeoutError or VLLMError; the declared ones are in the registry all the same.
        """
        stored = self._stored_models()
        await stored.store_declared(self.config.embedding_models)
        served = await self._served()
        await stored.warn_of_absent(served)
        allowed = self.config.allowed_models
        listed = [name for name in served if allowed is None or name in allowed]
        return [self._model(name) for name in dict.fromkeys([*listed, *self.config.embedding_models])]

    async def register_model(self, model: Model) -> Model:
        """Accept the model, which vLLM may come to serve later, as what the config declares it to be."""
        if (declared := self.config.embedding_models.get(model.provider_model_id)) is not None:
            metadata = model.metadata | declared.metadata()
            model = model.model_copy(update={"model_type": ModelType.embedding, "metadata": metadata})
        await self._stored_models().remove_superseded(model)
        return model

    def _validate_model_allowed(self, provider_model_id: str) -> None:
        """Allow all: `allowed_models` says what is listed, not what may be used."""

    async def _chat(self, params: OpenAIChatCompletionRequestWithExtraBody) -> Any:
        """Send a chat request, with the configured limit if it has none and the context has room for it."""
        if not params.tools:
            params = params.model_copy(update={"tool_choice": None})
        if params.max_tokens is None and params.max_completion_tokens is None and self.config.max_tokens:
            limited = params.model_copy(update={"max_tokens": self.config.max_tokens})
            # If there is no room, the limit is what the context has left, which vLLM works out by itself. If
            # something else is wrong with the request, it will say so once more.
            with suppress(BadRequestError):
                return await OpenAIMixin.openai_chat_completion(self, limited)
        return await OpenAIMixin.openai_chat_completion(self, params)

    async def _watched(self, stream: Any) -> AsyncIterator[Any]:
        """Pass on a stream; hang up when nobody listens any more, upon which vLLM stops.

        It is the client's, or a generator of who records the client's or wraps it.
        """
        with self._errors():
            async with stream if hasattr(stream, "__aexit__") else aclosing(stream):
                async for chunk in stream:
                    yield chunk

    def _errors(self) -> AbstractContextManager[None]:
        return vllm_errors(self.get_base_url())

    async def _served(self) -> list[str]:
        """Ask vLLM, with a client of its own: at start, the running loop is not the one that will serve."""
        with self._errors():
            async with self._clients.new() as client:
                return [model.id async for model in client.models.list()]

    def _model(self, name: str) -> Model:
        declared = self.config.embedding_models.get(name)
        return Model(
            identifier=name,
            provider_id=self.__provider_id__,  # type: ignore[attr-defined]
            provider_resource_id=name,
            model_type=ModelType.llm if declared is None else ModelType.embedding,
            metadata={} if declared is None else declared.metadata(),
        )

    def _stored_models(self) -> StoredModels:
        # llama-stack sets both once it has made the provider.
        return StoredModels(self.model_store.dist_registry, self.__provider_id__)  # type: ignore[attr-defined]
