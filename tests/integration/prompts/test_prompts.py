"""The prompts API, on every key-value backend."""

import pytest
from llama_stack_client import BadRequestError, ConflictError, NotFoundError

from tests.integration.prompts.prompts_api import Prompts

NOBODY = "pmpt_" + 48 * "0"


def test_a_new_prompt_is_its_own_default(prompts: Prompts) -> None:
    created = prompts.create("Summarize {{ text }} in {{words}} words", ["text", "words"])

    assert created == {
        "prompt_id": created["prompt_id"],
        "prompt": "Summarize {{ text }} in {{words}} words",
        "variables": ["text", "words"],
        "version": 1,
        "is_default": True,
    }
    assert prompts.get(created["prompt_id"]) == created
    assert prompts.get(created["prompt_id"], version=1) == created
    assert prompts.versions(created["prompt_id"]) == [created]
    assert prompts.list()[created["prompt_id"]] == created


def test_an_update_makes_a_version_that_is_the_default(prompts: Prompts) -> None:
    prompt_id = prompts.create("one")["prompt_id"]

    updated = prompts.update(prompt_id, "two {{ x }}", version=1, variables=["x"])

    assert (updated["version"], updated["is_default"]) == (2, True)
    assert prompts.get(prompt_id) == prompts.list()[prompt_id] == updated
    first, second = prompts.versions(prompt_id)
    assert second == updated
    assert (first["prompt"], first["version"], first["is_default"]) == ("one", 1, False)


def test_an_update_may_leave_the_default_alone(prompts: Prompts) -> None:
    prompt_id = prompts.create("one")["prompt_id"]

    updated = prompts.update(prompt_id, "two", version=1, set_as_default=False)

    assert (updated["version"], updated["is_default"]) == (2, False)
    assert prompts.get(prompt_id)["prompt"] == prompts.list()[prompt_id]["prompt"] == "one"
    assert prompts.get(prompt_id, version=2) == updated
    assert prompts.update(prompt_id, "three", version=2)["version"] == 3


def test_the_default_can_be_set_back(prompts: Prompts) -> None:
    prompt_id = prompts.create("one")["prompt_id"]
    prompts.update(prompt_id, "two", version=1)

    chosen = prompts.set_default(prompt_id, 1)

    assert (chosen["prompt"], chosen["is_default"]) == ("one", True)
    assert prompts.get(prompt_id) == prompts.list()[prompt_id] == chosen
    assert [version["is_default"] for version in prompts.versions(prompt_id)] == [True, False]
    with pytest.raises(NotFoundError, match="version 7"):
        prompts.set_default(prompt_id, 7)


def test_a_deleted_prompt_is_gone_with_all_its_versions(prompts: Prompts) -> None:
    kept = prompts.create("kept")["prompt_id"]
    prompt_id = prompts.create("one")["prompt_id"]
    prompts.update(prompt_id, "two", version=1)

    prompts.delete(prompt_id)

    assert prompt_id not in prompts.list()
    assert kept in prompts.list()
    for read in (
        lambda: prompts.get(prompt_id),
        lambda: prompts.get(prompt_id, version=1),
        lambda: prompts.versions(prompt_id),
        lambda: prompts.update(prompt_id, "three", version=2),
        lambda: prompts.set_default(prompt_id, 1),
        lambda: prompts.delete(prompt_id),
    ):
        with pytest.raises(NotFoundError, match=prompt_id):
            read()


@pytest.mark.parametrize("stale", [1, 2, 4, 99])
def test_only_the_latest_version_can_be_updated(prompts: Prompts, stale: int) -> None:
    prompt_id = prompts.create("one")["prompt_id"]
    prompts.update(prompt_id, "two", version=1)
    prompts.update(prompt_id, "three", version=2, set_as_default=False)

    with pytest.raises(ConflictError, match=f"Version {stale} .* is not the latest, which is 3"):
        prompts.update(prompt_id, "lost", version=stale)

    assert [version["prompt"] for version in prompts.versions(prompt_id)] == ["one", "two", "three"]
    assert prompts.get(prompt_id)["prompt"] == "two"


def test_versions_are_in_the_order_of_their_numbers(prompts: Prompts) -> None:
    prompt_id = prompts.create("1")["prompt_id"]
    for version in range(1, 12):
        prompts.update(prompt_id, str(version + 1), version)

    assert [version["version"] for version in prompts.versions(prompt_id)] == list(range(1, 13))


@pytest.mark.parametrize("prompt_id", [NOBODY, "pmpt_1", "default", f"{NOBODY}:1", NOBODY.upper()])
def test_a_prompt_that_is_not_there(prompts: Prompts, prompt_id: str) -> None:
    with pytest.raises(NotFoundError, match="not found"):
        prompts.get(prompt_id)
    with pytest.raises(NotFoundError, match="not found"):
        prompts.delete(prompt_id)


def test_texts_come_back_as_they_were_sent(prompts: Prompts) -> None:
    text = "Grüße, 世界 🌍 'quoted' \"twice\" %s {{}} \\ \x00 \u2028\n" + 100_000 * "long "

    prompt_id = prompts.create(text)["prompt_id"]

    assert prompts.get(prompt_id)["prompt"] == prompts.list()[prompt_id]["prompt"] == text


@pytest.mark.parametrize(
    ("template", "variables", "complaint"),
    [
        ("{{ a }} and {{b}}", ["a"], "'b'.*`variables` does not name"),
        ("{{ a }}", None, "'a'.*`variables` does not name"),
        ("plain", ["first name"], "'first name' cannot be used"),
        ("{{ a }}", ["a", "a"], "'a' more than once"),
        ("{{ b }}", ["a-b", "c", "c"], "'b'.*'a-b'.*'c'"),
    ],
)
def test_variables_have_to_fit_the_template(
    prompts: Prompts, template: str, variables: list[str] | None, complaint: str
) -> None:
    with pytest.raises(BadRequestError, match=complaint):
        prompts.create(template, variables)

    prompt_id = prompts.create("one")["prompt_id"]
    with pytest.raises(BadRequestError, match=complaint):
        prompts.update(prompt_id, template, version=1, variables=variables)
    assert len(prompts.versions(prompt_id)) == 1


def test_a_declared_variable_need_not_be_used(prompts: Prompts) -> None:
    assert prompts.create("plain", ["later"])["variables"] == ["later"]


def test_versions_below_one_are_refused(prompts: Prompts) -> None:
    prompt_id = prompts.create("one")["prompt_id"]

    with pytest.raises(BadRequestError, match="1 or more"):
        prompts.update(prompt_id, "two", version=0)
    with pytest.raises(NotFoundError, match="version 0"):
        prompts.get(prompt_id, version=0)
