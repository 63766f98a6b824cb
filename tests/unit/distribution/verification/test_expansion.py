"""Variables, against what llama-stack makes of them."""

import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_stack.core.stack import EnvVarError, replace_env_vars

from distribution.verification.expansion import DISABLED, expand

NAMES = ("SCENARIO_A", "SCENARIO_B")
PIECES = st.one_of(
    st.sampled_from(["${env.", "}", ":=", ":+", ":", "${", "$", "~", "__disabled__", "true", "1.5", "é"]),
    st.builds(
        "${{env.{}{}}}".format,
        st.sampled_from(NAMES),
        st.sampled_from(["", ":=", ":=x", ":+", ":+y", ":=~", ":=12", ":=true", ":=${env.SCENARIO_B"]),
    ),
    st.text(max_size=4),
)
TEXTS = st.lists(PIECES, max_size=4).map("".join)
# NUL and lone surrogates cannot be in an environment.
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
ENVIRONMENTS = st.dictionaries(st.sampled_from(NAMES), st.one_of(VALUES, st.sampled_from(["7", "false", "~"])))


def upstream(data: Any, environment: dict[str, str]) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        return replace_env_vars(data)


@given(text=TEXTS, environment=ENVIRONMENTS)
def test_a_text_becomes_what_llama_stack_makes_of_it(text: str, environment: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", os.environ.get("HOME", "/"))
        expansion = expand({"key": text}, environment)
        try:
            wanted = upstream({"key": text}, environment)
        except EnvVarError as error:
            assert error.var_name in {name for _, name in expansion.unset}
        else:
            assert expansion.unset == []
            assert repr(expansion.data) == repr(wanted)  # not a number is not equal to itself


def test_all_that_is_missing_is_named() -> None:
    data = {"a": "${env.ONE}-${env.TWO}", "b": [{"c": "${env.ONE}"}], "d": "${env.THREE:=3}"}
    assert expand(data, {}).unset == [(("a",), "ONE"), (("a",), "TWO"), (("b", 0, "c"), "ONE")]


def test_what_is_disabled_is_not_expanded_and_keeps_its_place() -> None:
    data = {"list": [{"provider_id": DISABLED, "url": "${env.NOT_THERE}"}, {"provider_id": "on"}]}
    expansion = expand(data, {})
    assert expansion.unset == []
    assert expansion.dropped == {("list", 0)}
    assert expansion.data["list"][1] == {"provider_id": "on"}
    assert upstream(data, {}) == {"list": [{"provider_id": "on"}]}


def test_without_an_environment_defaults_count_and_the_rest_is_unknown() -> None:
    expansion = expand({"a": "${env.A}", "b": "${env.B:=5}", "c": "${env.C:+on}", "d": "plain"}, None)
    assert expansion.unset == []
    assert expansion.unknown == {("a",), ("c",)}
    assert (expansion.data["b"], expansion.data["d"]) == (5, "plain")
