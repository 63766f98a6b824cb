"""Which providers only pass requests on."""

from typing import Any

import pytest
from llama_stack.providers.remote.inference.openai.config import OpenAIConfig
from llama_stack.providers.remote.inference.openai.openai import OpenAIInferenceAdapter

from distribution.lane.destinations import _passes_on
from providers.inference.vllm.config import VLLMConfig
from providers.inference.vllm.provider import VLLMProvider


class OfAnotherPackage(OpenAIInferenceAdapter):
    """As llama-stack's, but nobody knows it."""


class ThatChangesRequests(OpenAIInferenceAdapter):
    """One of llama-stack's, that does more."""

    async def openai_chat_completion(self, params: Any) -> Any:
        raise NotImplementedError


ThatChangesRequests.__module__ = "llama_stack.providers.remote.inference.other"


class ThatChangesIds(OpenAIInferenceAdapter):
    """One of llama-stack's, that changes answers."""

    overwrite_completion_id: bool = True


ThatChangesIds.__module__ = "llama_stack.providers.remote.inference.other"


@pytest.mark.parametrize(
    ("kind", "passes_on"),
    [(OpenAIInferenceAdapter, True), (OfAnotherPackage, False), (ThatChangesRequests, False), (ThatChangesIds, False)],
)
def test_providers_of_llama_stack_that_change_nothing_pass_on(
    kind: type[OpenAIInferenceAdapter], passes_on: bool
) -> None:
    assert _passes_on(kind(config=OpenAIConfig())) is passes_on


def test_vllm_passes_on() -> None:
    assert _passes_on(VLLMProvider(config=VLLMConfig(url="http://vllm/v1")))


def test_what_is_no_provider_of_openais_protocol_does_not() -> None:
    assert not _passes_on(object())
