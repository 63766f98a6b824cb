"""What was down when llama-stack started is taken up again, whatever happens in between."""

import asyncio
from typing import Any

import pytest
from llama_stack.apis.datatypes import Api

from distribution.overlay import starting


class ModelsTable:
    """A routing table whose database fails at first."""

    def __init__(self, errors: list[Exception]) -> None:
        self.impls_by_provider_id = {"vllm": self}
        self.listed_providers: set[str] = set()
        self.errors = errors

    async def list_models(self) -> list[str]:
        return ["a model"]

    async def update_registered_models(self, provider_id: str, models: list[str]) -> None:
        if self.errors:
            raise self.errors.pop()


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> starting.Start:
    start = starting.Start(unreachable={("inference", "vllm"): "connection refused"})
    monkeypatch.setattr(starting, "current", start)
    monkeypatch.setattr(starting, "SECONDS_BETWEEN_TRIES", 0.01)
    return start


@pytest.mark.parametrize("errors", [[], [OSError("disk I/O error"), RuntimeError("database is locked")]])
def test_a_database_error_does_not_end_it(start: starting.Start, errors: list[Exception]) -> None:
    table = ModelsTable(errors)
    asyncio.run(asyncio.wait_for(starting._recover({Api.models: table}), timeout=10))
    assert not start.unreachable
    assert table.listed_providers == {"vllm"}


def test_a_resource_that_is_refused_in_the_end_is_not_tried_for_ever(start: starting.Start) -> None:
    tries: list[Any] = []

    async def refused() -> None:
        tries.append(None)
        raise ConnectionError("not yet") if len(tries) < 3 else ValueError("no such model")

    start.pending.append(starting.Pending("inference", "vllm", refused))
    asyncio.run(asyncio.wait_for(starting._recover({Api.models: ModelsTable([])}), timeout=10))
    assert len(tries) == 3
    assert start.pending == []
