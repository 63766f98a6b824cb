"""What an earlier start wrote into the model registry does not stand in the way of what the config says now."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.integration.inference.conftest import DIMENSION
from tests.support.process import LOOPBACK, free_port
from tests.support.run_configs import run_config, vllm_provider
from tests.support.stack_server import StackServer, serve
from tests.support.vllm import Vllm

# The directory of a server's state, and the type and dimension of its only model.
Before = tuple[Path, tuple[str, Any]]


@pytest.fixture(scope="module", params=["nothing", "registered as an LLM", "registered with another dimension"])
def before(request: pytest.FixtureRequest, vllm_embedding: Vllm, tmp_path_factory: pytest.TempPathFactory) -> Before:
    """What an earlier start left behind, whose config said this or that of the embedding model."""
    directory = tmp_path_factory.mktemp("before")
    with serve(_config(directory, vllm_embedding.url, **_saying(request.param, vllm_embedding.model))) as stack:
        return directory, _model(stack)


@pytest.mark.parametrize("says", ["declared", "registered"])
def test_an_embedding_model_is_what_the_config_says(
    vllm_embedding: Vllm, before: Before, tmp_path: Path, says: str
) -> None:
    state, model_before = before
    directory = shutil.copytree(state, tmp_path / "after")
    name = vllm_embedding.model

    with serve(_config(directory, vllm_embedding.url, **_saying(says, name))) as stack:
        model = _model(stack)
        vector = stack.openai.embeddings.create(model=f"vllm/{name}", input="Hello").data[0].embedding

    assert model_before != model == ("embedding", DIMENSION)
    assert len(vector) == DIMENSION


@pytest.mark.parametrize("says", ["declared", "registered"])
@pytest.mark.parametrize("before", ["nothing"], indirect=True)
def test_it_is_so_while_vllm_is_down(vllm_embedding: Vllm, before: Before, tmp_path: Path, says: str) -> None:
    state, model_before = before
    directory = shutil.copytree(state, tmp_path / "after")
    nowhere = f"http://{LOOPBACK}:{free_port()}/v1"

    with serve(_config(directory, nowhere, **_saying(says, vllm_embedding.model))) as stack:
        model = _model(stack)

    assert (model_before, model) == (("llm", None), ("embedding", DIMENSION))


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
