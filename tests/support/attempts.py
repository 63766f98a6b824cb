"""Every operation of an OpenAPI document is tried on what is another user's; what should not have happened is said."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.attacks import ATTACKS, Attack, Outcome
from tests.support.belongings import Belongings

PREFIX = re.compile(r"^/v1(/openai/v1|alpha|beta)?(?=/)")
PARAMETER = re.compile(r"\{(\w+)(:path)?\}")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REFUSALS = (403, 404)
NOT_IMPLEMENTED = 501
VOLATILE = re.compile(r'"(created|last_active_at)": *\d+')


@dataclass(frozen=True)
class Operation:
    """One operation of the OpenAPI document."""

    method: str
    path: str

    @property
    def name(self) -> str:
        """Its name in ATTACKS."""
        return f"{self.method} {PARAMETER.sub(r'{\1}', PREFIX.sub('', self.path))}"

    @property
    def parameters(self) -> list[str]:
        """What its path takes, as belongings call it."""
        names = [name for name, _ in PARAMETER.findall(self.path)]
        return ["file_batch_id" if name == "batch_id" and "/file_batches/" in self.path else name for name in names]

    def at(self, ids: list[str]) -> str:
        """Its path with ids in it."""
        rest = iter(ids)
        return PARAMETER.sub(lambda _: next(rest), self.path)


def operations(document: dict[str, Any]) -> list[Operation]:
    """All operations of an OpenAPI document; those that remove something come last."""
    found = [Operation(method.upper(), path) for path, methods in document["paths"].items() for method in methods]
    return sorted(found, key=lambda one: METHODS.index(one.method))


def one_of_each(all_operations: list[Operation]) -> list[Operation]:
    """Operations without those that are the same below another prefix."""
    return list({operation.name: operation for operation in all_operations}.values())


def attempt(all_operations: list[Operation], theirs: Belongings, mine: Belongings) -> list[str]:
    """Try everything on what is another's; return what should not have happened."""
    before = _state(all_operations, theirs)
    found = [wrong for operation in all_operations for wrong in _attack(operation, theirs, mine)]
    after = _state(all_operations, theirs)
    return found + [f"{path} was {before[path]}, is {after[path]}" for path in before if before[path] != after[path]]


def _attack(operation: Operation, theirs: Belongings, mine: Belongings) -> Iterator[str]:
    for one in ATTACKS[operation.name]:
        body = one.body(theirs, mine) if one.body else None
        for path, outcome in _paths(operation, one, theirs, mine):
            answer = mine.http.request(operation.method, path, params=one.query(theirs), json=body)
            sent = f"{path} {json.dumps(one.query(theirs))} {json.dumps(body)}"
            if wrong := _wrong(answer, outcome, theirs, sent):
                yield f"{operation.method} {sent}: {answer.status_code} {wrong}"


def _state(all_operations: list[Operation], theirs: Belongings) -> dict[str, str]:
    """All that a user can read of what is theirs, by path."""
    found = {}
    for operation in all_operations:
        if operation.method == "GET" and ATTACKS[operation.name]:
            path = operation.at([theirs[name] for name in operation.parameters])
            answer = theirs.http.get(path)
            found[path] = f"{answer.status_code} {VOLATILE.sub('', answer.text)}"
    return found


def _paths(operation: Operation, one: Attack, theirs: Belongings, mine: Belongings) -> Iterator[tuple[str, Outcome]]:
    """The path with the ids of who is attacked; then what is theirs looked for in what is the attacker's own."""
    names = operation.parameters
    if one.on_mine:
        yield operation.at([mine[name] for name in names]), one.outcome
        return
    yield operation.at([theirs[name] for name in names]), one.outcome
    for own in range(1, len(names)):
        mixed = [(mine if at < own else theirs)[name] for at, name in enumerate(names)]
        yield operation.at(mixed), Outcome.HARMLESS


def _wrong(answer: httpx.Response, outcome: Outcome, theirs: Belongings, sent: str) -> str:
    told = answer.text
    if outcome is Outcome.REFUSED and answer.status_code not in REFUSALS:
        return told[:300]
    if answer.is_server_error and answer.status_code != NOT_IMPLEMENTED:
        return told[:300]
    leaked = [
        one
        for one in (theirs.word, *theirs.ids.values())
        if one in told and one.removeprefix("chatcmpl-").removeprefix("vllm/") not in sent
    ]
    return f"tells {', '.join(leaked)}: {told[:300]}" if leaked else ""
