"""What can be done with prompts, on a store in memory."""

import json
import logging
from collections.abc import Callable, Iterator

import pytest
from llama_stack.apis.common.errors import ConflictError
from llama_stack.apis.prompts import Prompt
from llama_stack.core.access_control.access_control import AccessDeniedError
from llama_stack.core.access_control.datatypes import AccessRule
from llama_stack.core.datatypes import User
from llama_stack.core.request_headers import RequestProviderDataContext
from llama_stack.core.storage.datatypes import SqliteKVStoreConfig

from providers.access.records import Access
from providers.prompts.library import PREFIX, PromptLibrary, PromptNotFoundError
from providers.stores.key_values import open_key_values
from tests.support.blocking import Blocking

UNKNOWN = f"pmpt_{'0' * 48}"


@pytest.fixture
def store() -> Iterator[Blocking]:
    """An empty store."""
    store = Blocking(open_key_values(SqliteKVStoreConfig(db_path=":memory:"), "prompts"))
    yield store
    store.close()


@pytest.fixture
def library(store: Blocking) -> Blocking:
    """The prompts in that store."""
    return Blocking(PromptLibrary(store.target, Access([], "prompt")))


@pytest.fixture
def prompt_id(library: Blocking) -> str:
    """A prompt whose versions say their number, of which the second is the default."""
    prompt_id: str = library.create("one", []).prompt_id
    library.update(prompt_id, "two", 1, [], set_as_default=True)
    library.update(prompt_id, "three", 2, [], set_as_default=False)
    return prompt_id


def put(store: Blocking, key: str, value: str) -> None:
    """Write what somebody else has written."""
    store.transact(key, lambda transaction: transaction.put(key, value))


def test_a_new_prompt_is_its_first_version_and_the_default(library: Blocking) -> None:
    created = library.create("Hello {{ name }}", ["name"])

    assert (created.version, created.is_default) == (1, True)
    assert library.get(created.prompt_id, None) == library.get(created.prompt_id, 1) == created
    assert library.versions(created.prompt_id) == library.defaults() == [created]


def test_versions_are_numbered_and_never_change(library: Blocking, prompt_id: str) -> None:
    assert [(v.version, v.prompt, v.is_default) for v in library.versions(prompt_id)] == [
        (1, "one", False),
        (2, "two", True),
        (3, "three", False),
    ]
    assert library.get(prompt_id, None).prompt == "two"
    assert [library.get(prompt_id, version).is_default for version in (1, 2, 3)] == [False, True, False]


def test_versions_come_by_number_and_not_by_spelling(library: Blocking) -> None:
    prompt_id = library.create("1", []).prompt_id
    for version in range(1, 11):
        library.update(prompt_id, str(version + 1), version, [], set_as_default=True)

    assert [prompt.version for prompt in library.versions(prompt_id)] == list(range(1, 12))
    assert library.get(prompt_id, None).version == 11


def test_any_version_can_be_the_default(library: Blocking, prompt_id: str) -> None:
    assert library.set_default(prompt_id, 1).is_default
    assert library.get(prompt_id, None).prompt == "one"
    assert [prompt.prompt for prompt in library.defaults()] == ["one"]


@pytest.mark.parametrize("version", [1, 2, 4, 99])
def test_only_the_latest_version_can_be_updated(library: Blocking, prompt_id: str, version: int) -> None:
    with pytest.raises(ConflictError, match=f"Version {version} of prompt {prompt_id} is not the latest, which is 3"):
        library.update(prompt_id, "four", version, [], set_as_default=True)
    assert len(library.versions(prompt_id)) == 3


@pytest.mark.parametrize("version", [0, -1])
def test_versions_begin_with_one(library: Blocking, prompt_id: str, version: int) -> None:
    with pytest.raises(ValueError, match="version has to be 1 or more"):
        library.update(prompt_id, "four", version, [], set_as_default=True)


def test_variables_that_do_not_fit_are_refused(library: Blocking, prompt_id: str) -> None:
    with pytest.raises(ValueError, match="the template uses 'name'"):
        library.create("{{ name }}", [])
    with pytest.raises(ValueError, match="the template uses 'name'"):
        library.update(prompt_id, "{{ name }}", 3, [], set_as_default=True)
    assert len(library.versions(prompt_id)) == 3


def test_of_a_deleted_prompt_nothing_stays(library: Blocking, store: Blocking, prompt_id: str) -> None:
    other = library.create("other", [])

    library.delete(prompt_id)

    assert library.defaults() == [other]
    assert not store.range(f"{PREFIX}{prompt_id}")


@pytest.mark.parametrize(
    "prompt_id", [UNKNOWN, "", "pmpt_", UNKNOWN.upper(), f"{UNKNOWN}0", f"{UNKNOWN}\n", "%", "a:b"]
)
def test_a_prompt_that_is_not_there_is_told(library: Blocking, prompt_id: str) -> None:
    library.create("another", [])
    attempts: list[Callable[[], object]] = [
        lambda: library.get(prompt_id, None),
        lambda: library.get(prompt_id, 1),
        lambda: library.versions(prompt_id),
        lambda: library.update(prompt_id, "two", 1, [], set_as_default=True),
        lambda: library.set_default(prompt_id, 1),
        lambda: library.delete(prompt_id),
    ]
    for attempt in attempts:
        with pytest.raises(PromptNotFoundError) as raised:
            attempt()
        assert f"Prompt '{prompt_id}" in str(raised.value)


@pytest.mark.parametrize("version", [0, -1, 4])
def test_a_version_that_is_not_there_is_told(library: Blocking, prompt_id: str, version: int) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: library.get(prompt_id, version),
        lambda: library.set_default(prompt_id, version),
    ]
    for attempt in attempts:
        with pytest.raises(PromptNotFoundError, match=f"'{prompt_id}, version {version}' not found"):
            attempt()


def test_prompts_are_stored_as_upstream_does(library: Blocking, store: Blocking, prompt_id: str) -> None:
    entries = store.range(PREFIX)

    assert entries.pop(f"{PREFIX}{prompt_id}:default") == "2"
    assert entries.keys() == {f"{PREFIX}{prompt_id}:{version}" for version in (1, 2, 3)}
    assert json.loads(entries[f"{PREFIX}{prompt_id}:1"]) == {
        "prompt": "one",
        "version": 1,
        "prompt_id": prompt_id,
        "variables": [],
        "is_default": False,
    }


UNREADABLE = ["", "{", "null", "[]", "1", "{}", '{"version": 0}', '"text"', "[[1, 2]]"]


@pytest.mark.parametrize("value", UNREADABLE)
def test_a_prompt_that_cannot_be_read_does_not_hide_the_others(
    library: Blocking, store: Blocking, prompt_id: str, caplog: pytest.LogCaptureFixture, value: str
) -> None:
    put(store, f"{PREFIX}{UNKNOWN}:1", value)
    put(store, f"{PREFIX}{UNKNOWN}:default", "1")

    with caplog.at_level(logging.WARNING):
        assert [prompt.prompt_id for prompt in library.defaults()] == [prompt_id]
    assert "A stored prompt cannot be read and is not listed" in caplog.text


def test_a_default_that_points_nowhere_hides_no_version(library: Blocking, store: Blocking, prompt_id: str) -> None:
    put(store, f"{PREFIX}{prompt_id}:default", "99")

    assert library.defaults() == []
    assert [prompt.is_default for prompt in library.versions(prompt_id)] == [False, False, False]
    with pytest.raises(PromptNotFoundError):
        library.get(prompt_id, None)
    library.set_default(prompt_id, 3)
    assert library.get(prompt_id, None).prompt == "three"


def test_the_latest_prompt_comes_first_by_its_id(library: Blocking) -> None:
    ids = [library.create(str(number), []).prompt_id for number in range(5)]

    assert [prompt.prompt_id for prompt in library.defaults()] == sorted(ids, reverse=True)


def test_ids_are_those_of_upstream(library: Blocking) -> None:
    prompt = library.create("one", [])

    assert Prompt.model_validate(prompt.model_dump()) == prompt


ALICE, RITA, BOB = (
    User(name, {"teams": [team]}) for name, team in [("alice", "red"), ("rita", "red"), ("bob", "blue")]
)
TEAMS_READ = [
    AccessRule.model_validate(rule)
    for rule in (
        {"permit": {"actions": ["create", "read", "update", "delete"]}, "when": "user is owner"},
        {"permit": {"actions": ["read"]}, "when": "user in owners teams"},
    )
]


def every_use(library: Blocking, prompt_id: str) -> list[Callable[[], object]]:
    """Whatever can be done to a prompt of two versions."""
    return [
        lambda: library.get(prompt_id, None),
        lambda: library.get(prompt_id, 2),
        lambda: library.versions(prompt_id),
        lambda: library.update(prompt_id, "mine", 2, [], set_as_default=True),
        lambda: library.update(prompt_id, "mine", 1, [], set_as_default=True),
        lambda: library.set_default(prompt_id, 1),
        lambda: library.delete(prompt_id),
    ]


@pytest.mark.advisory("shared-by-default")
@pytest.mark.parametrize("other", [RITA, BOB, None], ids=["of the team", "of another team", "nobody"])
def test_a_prompt_is_its_owners_alone(library: Blocking, other: User | None) -> None:
    with RequestProviderDataContext({}, ALICE):
        prompt_id = library.create("one", []).prompt_id
        library.update(prompt_id, "two", 1, [], set_as_default=True)
        before = library.versions(prompt_id)

    with RequestProviderDataContext({}, other):
        assert library.defaults() == []
        for use, absent in zip(every_use(library, prompt_id), every_use(library, UNKNOWN), strict=True):
            with pytest.raises(PromptNotFoundError) as told:
                use()
            with pytest.raises(PromptNotFoundError) as told_of_nothing:
                absent()
            assert str(told.value) == str(told_of_nothing.value).replace(UNKNOWN, prompt_id)

    with RequestProviderDataContext({}, ALICE):
        assert library.versions(prompt_id) == before
        assert library.set_default(prompt_id, 1).version == 1
        library.delete(prompt_id)


def test_a_team_that_may_read_prompts_does_not_change_them(store: Blocking) -> None:
    library = Blocking(PromptLibrary(store.target, Access(TEAMS_READ, "prompt")))
    with RequestProviderDataContext({}, ALICE):
        prompt_id = library.create("one", []).prompt_id
        library.update(prompt_id, "two", 1, [], set_as_default=True)

    with RequestProviderDataContext({}, RITA):
        assert library.defaults() == [library.get(prompt_id, None)]
        assert len(library.versions(prompt_id)) == 2
        for change in every_use(library, prompt_id)[3:]:
            with pytest.raises(AccessDeniedError, match=f"prompt::{prompt_id}"):
                change()
    with RequestProviderDataContext({}, BOB), pytest.raises(PromptNotFoundError):
        library.get(prompt_id, None)


def test_a_prompt_older_than_authentication_is_for_nobody_but_a_policy(store: Blocking, prompt_id: str) -> None:
    unowned = AccessRule.model_validate({"permit": {"actions": ["read"]}, "when": "resource is unowned"})
    with RequestProviderDataContext({}, ALICE):
        assert Blocking(PromptLibrary(store.target, Access([], "prompt"))).defaults() == []
        assert Blocking(PromptLibrary(store.target, Access([unowned], "prompt"))).get(prompt_id, None).prompt == "two"
    assert Blocking(PromptLibrary(store.target, Access([], "prompt"))).get(prompt_id, None).prompt == "two"


def test_the_owner_stays_in_the_store(library: Blocking, store: Blocking) -> None:
    with RequestProviderDataContext({}, ALICE):
        created = library.create("one", [])

    stored = json.loads(store.get(f"{PREFIX}{created.prompt_id}:1") or "")
    assert stored["owner"] == {"principal": "alice", "attributes": {"teams": ["red"]}}
    assert "owner" not in created.model_dump()
