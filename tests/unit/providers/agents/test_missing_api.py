"""An API that the run config leaves out."""

from typing import Any

import pytest
from llama_stack.apis.datatypes import Api

from providers.agents.missing_api import MissingApi, or_missing


class Empty(list[str]):
    """An implementation that is there, though it is empty."""


@pytest.mark.parametrize("implementation", [object(), Empty()])
def test_what_is_there_is_taken(implementation: Any) -> None:
    assert or_missing({Api.safety: implementation}, Api.safety) is implementation


@pytest.mark.parametrize("api", [Api.safety, Api.vector_io, Api.tool_runtime, Api.tool_groups])
def test_what_is_missing_is_named_with_its_first_use(api: Api) -> None:
    missing = or_missing({}, api)

    assert isinstance(missing, MissingApi)
    with pytest.raises(ValueError, match=f"this needs the API {api.value}, for which the run config has no provider"):
        missing.anything()
