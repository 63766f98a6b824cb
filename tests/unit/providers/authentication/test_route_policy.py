"""Which routes there are, for whom."""

from typing import Any

import pytest
from llama_stack.core.datatypes import User
from pydantic import ValidationError

from providers.authentication.route_policy import RouteAccessRule, is_allowed, is_for_nobody

ADMIN = User("root", {"roles": ["admin"]})
GUEST = User("guest", {"roles": ["guest"]})


def policy(*rules: dict[str, Any]) -> list[RouteAccessRule]:
    return [RouteAccessRule.model_validate(rule) for rule in rules]


def permit(*paths: str, **conditions: Any) -> dict[str, Any]:
    return {"permit": {"paths": list(paths)}, **conditions}


def forbid(*paths: str, **conditions: Any) -> dict[str, Any]:
    return {"forbid": {"paths": list(paths)}, **conditions}


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/files", False),
        ("/v1/files/", False),
        ("/v1/files\n", False),
        ("/v1/files/file-1/content", True),
        ("/v1/openai/v1/files", False),
        ("/v1/openai/v1/files/", False),
        ("/v1/models/any/thing", False),
        ("/v1/openai/v1/models", False),
        ("/v1alpha/agents", False),
        ("/v1/agents", False),
        ("/v1/agents/a/session", True),
        ("/v1/eval/benchmarks", False),
        ("/v1alpha/eval/benchmarks", False),
        ("/v1/chat/completions", True),
    ],
)
def test_a_route_is_off_in_all_its_spellings(path: str, allowed: bool) -> None:
    rules = policy(forbid("/v1/files", "/v1/models*", "/v1alpha/agents", "regex:/v1/eval/"), permit("*"))
    assert is_allowed(rules, path, None) is allowed


def test_switching_off_the_second_spellings_leaves_the_first() -> None:
    rules = policy(forbid("/v1/openai/v1*", "/v1alpha*"), permit("*"))
    paths = ["/v1/openai/v1/models", "/v1alpha/agents", "/v1/models", "/v1/agents"]
    assert [is_allowed(rules, path, None) for path in paths] == [False, False, True, True]


def test_what_no_rule_is_about_is_forbidden_and_the_first_rule_decides() -> None:
    rules = policy(permit("/v1/models"), forbid("/v1/models*"), permit("/v1/files"))
    paths = ["/v1/models", "/v1/models/one", "/v1/files", "/docs"]
    assert [is_allowed(rules, path, None) for path in paths] == [True, False, True, False]
    assert is_allowed([], "/docs", None)


@pytest.mark.parametrize("conditions", [{"when": "user with admin in roles"}, {"unless": "user with guest in roles"}])
def test_a_rule_with_a_condition_is_about_those_for_whom_it_holds(conditions: dict[str, str]) -> None:
    rules = policy(permit("/v1/agents*", **conditions), forbid("/v1/agents*"), permit("*"))
    assert [is_allowed(rules, "/v1/agents", who) for who in (ADMIN, GUEST, None)] == [True, False, False]
    assert [is_allowed(rules, "/v1/files", who) for who in (ADMIN, GUEST, None)] == [True, True, True]


def test_all_conditions_of_when_have_to_hold() -> None:
    rules = policy(permit("*", when=["user with admin in roles", "user with red in teams"]))
    both = User("both", {"roles": ["admin"], "teams": ["red"]})
    assert [is_allowed(rules, "/v1/files", who) for who in (ADMIN, both)] == [False, True]


def test_what_is_for_nobody_is_known() -> None:
    rules = policy(permit("/v1/agents*", when="user with admin in roles"), forbid("/v1/agents*", "/docs"), permit("*"))
    paths = ["/v1/agents/{agent_id}", "/docs", "/v1/files/{file_id}"]
    assert [is_for_nobody(rules, path) for path in paths] == [False, True, False]
    assert not is_for_nobody([], "/docs")


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {**permit("*"), **forbid("*")},
        permit("*", when="user is owner", unless="user is owner"),
        permit("*", when="user is nice"),
        permit("regex:("),
        {"permit": {"paths": None}},
    ],
)
def test_a_rule_that_means_nothing_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        policy(rule)
