"""What an earlier start wrote into the model registry does not stand in the way of what the config says now."""

from pathlib import Path
from typing import Any

import pytest

from tests.providers.inference.conftest import DIMENSION
from tests.support.process import LOOPBACK, free_port
from tests.support.run_configs import run_config, vllm_provider
from tests.support.stack_server import StackServer, serve
from tests.support.vllm import Vllm


@pytest.mark.parametrize("says", ["declared", "registered"])
@pytest.mark.parametrize("said", ["nothing", "registered as an LLM", "registered with another dimension"])
def test_an_embedding_model_is_what_the_config_says(vllm_embedding: Vllm, tmp_path: Path, said: str, says: str) -> None:
    name = vllm_embedding.model
    with serve(_config(tmp_path, vllm_embedding.url, **_saying(said, name))) as earlier:
        before = _model(earlier)

    with serve(_config(tmp_path, vllm_embedding.url, **_saying(says, name))) as stack:
        after = _model(stack)
        vector = stack.openai.embeddings.create(model=f"vllm/{name}", input="Hello").data[0].embedding

    assert before != after == ("embedding", DIMENSION)
    assert len(vector) == DIMENSION


@pytest.mark.parametrize("says", ["declared", "registered"])
def test_it_is_so_while_vllm_is_down(vllm_embedding: Vllm, tmp_path: Path, says: str) -> None:
    nowhere = f"http://{LOOPBACK}:{free_port()}/v1"
    with serve(_config(tmp_path, vllm_embedding.url)) as earlier:
        before = _model(earlier)

    with serve(_config(tmp_path, nowhere, **_saying(says, vllm_embedding.model))) as stack:
        after = _model(stack)

    assert (before, after) == (("llm", None), ("embedding", DIMENSION))


def _saying(what: str, name: str) -> dict[str, Any]:
    """What a run config may say of a model."""
    model: dict[str, Any] = {"model_id": name, "provider_id": "vllm"}
    match what:
        case "declared":
            return {"embedding_models": {name: {"embedding_dimension": DIMENSION}}}
        case "registered":
            model |= {"model_type": "embedding", "metadata": {"embedding_dimension": DIMENSION}}
        case "registered with another dimension":
            model |= {"model_type": "embedding", "metadata": {"embedding_dimension": 7}}
        case "nothing":
            return {}
    return {"models": [model]}


def _config(directory: Path, url: str, models: Any = (), **config: Any) -> dict[str, Any]:
    providers = {"inference": [vllm_provider("vllm", url, **config)]}
    return run_config(directory, providers, registered_resources={"models": list(models)})


def _model(stack: StackServer) -> tuple[str, Any]:
    """Type and dimension of the only model there is."""
    [model] = stack.client.models.list()
    return model.api_model_type, model.metadata.get("embedding_dimension")
