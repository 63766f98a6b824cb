"""What gives way in the model registry, and what stays."""

import asyncio
import logging
from typing import Any

import pytest
from llama_stack.apis.models import Model, ModelType
from llama_stack.core.datatypes import ModelWithOwner, RegistryEntrySource, User
from llama_stack.core.request_headers import request_provider_data_context
from llama_stack.core.store.registry import DiskDistributionRegistry

from providers.inference.vllm.config import EmbeddingModel
from providers.inference.vllm.stored_models import StoredModels
from tests.unit.providers.inference.conftest import PROVIDER_ID

LISTED, REGISTERED = RegistryEntrySource.listed_from_provider, RegistryEntrySource.via_register_api
EMBEDDING = EmbeddingModel(embedding_dimension=384, context_length=512)
METADATA = {"embedding_dimension": 384, "context_length": 512}


def model(name: str, source: RegistryEntrySource = REGISTERED, **differences: Any) -> ModelWithOwner:
    """A model as the registry has it."""
    fields = {
        "identifier": f"{PROVIDER_ID}/{name}",
        "provider_id": PROVIDER_ID,
        "provider_resource_id": name,
        "model_type": ModelType.llm,
        "metadata": {},
        "source": source,
    }
    return ModelWithOwner.model_validate(fields | differences)


def embedding(name: str, source: RegistryEntrySource, **differences: Any) -> ModelWithOwner:
    """An embedding model as it is declared below."""
    return model(name, source, **({"model_type": ModelType.embedding, "metadata": METADATA} | differences))


@pytest.mark.parametrize(
    ("stored", "settled"),
    [
        (None, embedding("e", LISTED)),
        (model("e", LISTED), embedding("e", LISTED)),
        (model("e", REGISTERED), embedding("e", REGISTERED)),
        (embedding("e", REGISTERED), embedding("e", REGISTERED)),
        (
            embedding("e", REGISTERED, metadata={"embedding_dimension": 7, "note": "mine"}),
            embedding("e", REGISTERED, metadata={"note": "mine", **METADATA}),
        ),
        (
            model("e", REGISTERED, owner=User("alice", None)),
            embedding("e", REGISTERED, owner=User("alice", None)),
        ),
    ],
    ids=["not stored", "found as an LLM", "registered as an LLM", "as declared", "another dimension", "owned"],
)
def test_a_declared_model_is_what_it_was_declared_to_be(
    registry: DiskDistributionRegistry, stored: ModelWithOwner | None, settled: ModelWithOwner
) -> None:
    async def use() -> Any:
        if stored:
            await registry.update(stored)
        await StoredModels(registry, PROVIDER_ID).store_declared({"e": EMBEDDING})
        return await registry.get("model", settled.identifier)

    assert asyncio.run(use()) == settled


NEW = embedding("e", REGISTERED)


@pytest.mark.parametrize(
    ("stored", "new", "at_start", "in_request"),
    [
        (model("e", LISTED), NEW, "gives way", "gives way"),
        (model("e", REGISTERED), NEW, "gives way", "stays"),
        (NEW, NEW, "stays", "stays"),
        (model("e", REGISTERED), embedding("e", LISTED), "stays", "stays"),
        (model("other", REGISTERED), NEW, "stays", "stays"),
        (
            model("e", REGISTERED),
            Model(**model("e", REGISTERED).model_dump(exclude={"owner", "source"})),
            "stays",
            "stays",
        ),
    ],
    ids=["found", "registered", "the same", "merely found anew", "another one", "without source"],
)
@pytest.mark.parametrize("serving_a_request", [False, True])
def test_what_gives_way_to_a_model(
    registry: DiskDistributionRegistry,
    stored: ModelWithOwner,
    new: Model,
    at_start: str,
    in_request: str,
    serving_a_request: bool,
) -> None:
    async def use() -> Any:
        await registry.update(stored)
        if serving_a_request:
            with request_provider_data_context({"x-llamastack-provider-data": "{}"}):
                await StoredModels(registry, PROVIDER_ID).remove_superseded(new)
        else:
            await StoredModels(registry, PROVIDER_ID).remove_superseded(new)
        return "stays" if await registry.get("model", stored.identifier) == stored else "gives way"

    assert asyncio.run(use()) == (in_request if serving_a_request else at_start)


@pytest.mark.parametrize(
    ("served", "message"),
    [
        (["b", "a"], "vllm/gone is registered, but vLLM does not serve it. It serves a, b"),
        ([], "vllm/gone is registered, but vLLM does not serve it. It serves no model"),
        (["gone"], None),
    ],
)
def test_what_is_registered_and_not_served_is_logged(
    registry: DiskDistributionRegistry, caplog: pytest.LogCaptureFixture, served: list[str], message: str | None
) -> None:
    async def use() -> None:
        for stored in (model("gone"), model("found", LISTED), model("elsewhere", provider_id="other")):
            await registry.update(stored)
        await StoredModels(registry, PROVIDER_ID).warn_of_absent(served)

    with caplog.at_level(logging.WARNING):
        asyncio.run(use())
    assert [record.getMessage() for record in caplog.records] == ([message] if message else [])
