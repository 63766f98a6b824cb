"""Many writers, several replicas: no version twice, none lost, nothing left over."""

import itertools
import random
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from llama_stack_client import ConflictError, NotFoundError

from tests.integration.prompts.conftest import Serve
from tests.integration.prompts.prompts_api import Prompts
from tests.support.stack_server import StackServer

WRITERS = 32
STEPS_EACH = 6


@pytest.fixture(scope="module")
def replicas(stack: StackServer, serve_prompts: Serve) -> Iterator[tuple[Prompts, Prompts]]:
    """The prompts of two servers on one backend."""
    with serve_prompts() as second:
        yield Prompts(stack.client), Prompts(second.client)


def test_replicas_see_each_others_prompts_at_once(replicas: tuple[Prompts, Prompts]) -> None:
    one, other = replicas

    prompt_id = one.create("first")["prompt_id"]
    assert other.get(prompt_id)["prompt"] == other.list()[prompt_id]["prompt"] == "first"
    other.update(prompt_id, "second", version=1)
    assert one.get(prompt_id)["prompt"] == one.list()[prompt_id]["prompt"] == "second"
    with pytest.raises(ConflictError, match="latest, which is 2"):
        one.update(prompt_id, "lost", version=1)
    one.delete(prompt_id)
    assert prompt_id not in other.list()


def test_concurrent_updates_are_all_there_once(replicas: tuple[Prompts, Prompts]) -> None:
    prompt_id = replicas[0].create("the first")["prompt_id"]

    def write(writer: int) -> tuple[int, str, int]:
        """Update until it is acknowledged; return the version, its text and the number of conflicts before."""
        version = 1
        for conflicts in itertools.count():
            try:
                updated = replicas[writer % 2].update(prompt_id, f"writer {writer}", version)
            except ConflictError as conflict:
                version = _latest(conflict)
            else:
                return updated["version"], f"writer {writer}", conflicts
        raise AssertionError

    acknowledged = _in_parallel(write)

    stored = {version["version"]: version["prompt"] for version in replicas[1].versions(prompt_id)}
    assert stored == {1: "the first"} | {version: text for version, text, _ in acknowledged}
    assert sorted(stored) == list(range(1, WRITERS + 2))
    assert any(conflicts for _, _, conflicts in acknowledged), "no two writers ever met"


def test_writers_of_all_kinds_leave_whole_prompts(replicas: tuple[Prompts, Prompts]) -> None:
    shared = [replicas[0].create("shared")["prompt_id"] for _ in range(3)]

    def write(writer: int) -> set[str]:
        """Do this and that with the shared prompts; return those deleted."""
        chance = random.Random(writer)
        prompts = replicas[writer % 2]
        deleted = set()
        for _ in range(STEPS_EACH):
            prompt_id = chance.choice(shared)
            try:
                versions = prompts.versions(prompt_id)
                step = chance.choices(("update", "set default", "delete"), (8, 8, 1))[0]
                if step == "delete":
                    prompts.delete(prompt_id)
                    deleted.add(prompt_id)
                elif step == "update":
                    prompts.update(prompt_id, "new", len(versions), set_as_default=chance.random() < 0.5)
                else:
                    prompts.set_default(prompt_id, chance.randint(1, len(versions)))
            except (ConflictError, NotFoundError):
                continue
        return deleted

    deleted = set().union(*_in_parallel(write))

    listed = replicas[0].list()
    assert deleted.isdisjoint(listed)
    for prompt_id in set(shared) & deleted:
        with pytest.raises(NotFoundError):
            replicas[1].versions(prompt_id)
    for prompt_id in set(shared) - deleted:
        versions = replicas[1].versions(prompt_id)
        assert [version["version"] for version in versions] == list(range(1, len(versions) + 1))
        assert [version for version in versions if version["is_default"]] == [listed[prompt_id]]


def _in_parallel[T](write: Callable[[int], T]) -> list[T]:
    with ThreadPoolExecutor(WRITERS) as threads:
        return list(threads.map(write, range(WRITERS)))


def _latest(conflict: ConflictError) -> int:
    latest = re.search(r"which is (\d+)", conflict.message)
    assert latest, conflict.message
    return int(latest[1])
