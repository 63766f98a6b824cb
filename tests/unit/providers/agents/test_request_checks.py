"""What a request for a response may not ask for."""

import pytest
from llama_stack.apis.agents.openai_responses import OpenAIResponseInputToolMCP, OpenAIResponseText

from providers.agents.request_checks import checked, require_messages


@pytest.mark.parametrize(
    ("given", "names"), [({"tool_names": ["a"]}, ["a"]), ({"tool_names": None}, None), (["b"], ["b"]), (None, None)]
)
def test_names_of_mcp_tools_are_a_list(given: object, names: list[str] | None) -> None:
    tool = {"type": "mcp", "server_label": "s", "server_url": "http://s", "allowed_tools": given}
    assert checked({"tools": [OpenAIResponseInputToolMCP.model_validate(tool)]})["tools"][0].allowed_tools == names


def test_no_tools_stay_none() -> None:
    assert checked({"tools": None, "model": "m"}) == {"tools": None, "model": "m"}


@pytest.mark.parametrize("wanted", [None, {}, {"type": "text"}, {"type": "json_schema", "name": "n", "schema": {}}])
def test_formats_that_are_some(wanted: object) -> None:
    text = OpenAIResponseText.model_validate({"format": wanted})
    assert checked({"text": text})["text"] is text


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"name": "n"}, "text.format.type is missing"),
        ({"type": "json_schema"}, "lacks name and schema"),
        ({"type": "json_schema", "name": "n", "schema": None}, "lacks schema"),
    ],
)
def test_formats_that_are_none(wanted: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checked({"text": OpenAIResponseText.model_validate({"format": wanted})})


def test_there_has_to_be_something_to_answer() -> None:
    require_messages(["hi"])
    with pytest.raises(ValueError, match="input is empty"):
        require_messages([])
