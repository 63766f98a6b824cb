"""What a template of a request may do: put the messages into words, and nothing else."""

import importlib
from typing import Any

import pytest

from distribution.overlay.templates import FormatString

ESCAPES = [
    "{{ cycler.__init__.__globals__.os.mkdir('/nowhere') }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ messages.__class__.__base__ }}",
    "{{ 1 / 0 }}",
    "{{ messages.append('x') }}",
    "{{ self.__init__.__globals__ }}",
    "{{ 'x' * 1000000000 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{% for i in range(10000000) %}x{% endfor %}",
]


def render(source: str) -> Any:
    retriever = importlib.import_module("llama_stack.providers.inline.tool_runtime.rag.context_retriever")
    return retriever.Template(source).render({"messages": ["hello", "there"]})


def test_messages_are_put_into_words() -> None:
    assert render("{% for m in messages %}- {{ m | upper }}\n{% endfor %}{{ 2 * 3 }}") == "- HELLO\n- THERE\n6"


@pytest.mark.parametrize("source", ESCAPES)
def test_nothing_leads_out_of_a_template(source: str) -> None:
    with pytest.raises(ValueError, match="template cannot be rendered"):
        render(source)


def test_a_template_that_is_none_is_the_clients_mistake() -> None:
    with pytest.raises(ValueError, match="template cannot be rendered: unexpected"):
        render("{{ messages")


@pytest.mark.parametrize("source", ["{0.__class__}", "{0[__class__]}", "{0:>1000}", "{0!r:1000}", "{nobody}", "{"])
def test_a_format_string_leads_nowhere(source: str) -> None:
    with pytest.raises(ValueError, match="template cannot be filled in"):
        FormatString(source).format("x")


def test_a_format_string_is_filled_in() -> None:
    assert FormatString("{0:>3} {given[key]} {{}}").format("x", given={"key": "y"}) == "  x y {}"
