"""Which variables fit a template."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_stack.apis.prompts import Prompt

from providers.prompts.templates import check_variables

NAMES = "a name has letters, digits and _ only"


@pytest.mark.parametrize(
    ("template", "declared"),
    [
        ("", []),
        ("no variables", []),
        ("no variables", ["declared_in_advance"]),
        ("{{name}}", ["name"]),
        ("{{  name  }} {{\tname\n}}", ["name"]),
        ("{{ größe_2 }}", ["größe_2"]),
        ("{name} {{}} {{ two words }} {{ a-b }} {{% x %}}", []),
        ("{{{ name }}}", ["name"]),
        ("{{ a }}{{ b }}{{ a }}", ["b", "a"]),
    ],
)
def test_variables_that_fit(template: str, declared: list[str]) -> None:
    check_variables(template, declared)


@pytest.mark.parametrize(
    ("template", "declared", "message"),
    [
        ("{{ b }}{{ a }}{{ b }}", [], "the template uses 'a', 'b', which `variables` does not name"),
        ("{{ Name }}", ["name"], "the template uses 'Name', which `variables` does not name"),
        ("", ["two words", "", "a-b"], f"'two words', '', 'a-b' cannot be used in a template: {NAMES}"),
        ("", ["a\n"], rf"'a\n' cannot be used in a template: {NAMES}"),
        ("{{ a }}", ["a", "b", "a"], "`variables` names 'a' more than once"),
        (
            "{{ x }}",
            ["-", "a", "a"],
            f"the template uses 'x', which `variables` does not name; '-' cannot be used in a template: {NAMES}; "
            "`variables` names 'a' more than once",
        ),
    ],
)
def test_everything_that_does_not_fit_is_told(template: str, declared: list[str], message: str) -> None:
    with pytest.raises(ValueError) as raised:
        check_variables(template, declared)
    assert str(raised.value) == message


@given(st.text(st.sampled_from("{} ab-_\n")), st.lists(st.text(st.sampled_from("ab-_"))))
def test_upstream_takes_what_fits(template: str, declared: list[str]) -> None:
    try:
        check_variables(template, declared)
    except ValueError:
        return
    Prompt(prompt_id=Prompt.generate_prompt_id(), prompt=template, version=1, variables=declared)
