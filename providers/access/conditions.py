"""What the conditions of a rule say: of a resource without an owner, only that nobody owns it.

Nothing of llama-stack is imported here: its own module of conditions takes `parse` from here while it is imported.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Protocol


class User(Protocol):
    """Who asks, or who owns a resource."""

    @property
    def principal(self) -> str:
        """The user's name; empty for nobody."""

    @property
    def attributes(self) -> dict[str, list[str]] | None:
        """What else is known, such as `{"teams": ["red"]}`."""


class Resource(Protocol):
    """What a rule is about."""

    @property
    def type(self) -> str:
        """Such as `model`."""

    @property
    def identifier(self) -> str:
        """Its name among those of its type."""

    @property
    def owner(self) -> User | None:
        """Who made it; None for what the run config registers and for what is older than authentication."""


@dataclass(frozen=True)
class Condition:
    """One condition, as llama-stack's rules call it."""

    text: str
    holds: Callable[[Resource, User], bool]

    def matches(self, resource: Resource, user: User) -> bool:
        """Whether it holds."""
        return self.holds(resource, user)

    def __repr__(self) -> str:
        return self.text


@cache
def parse(text: str) -> Condition:
    """Return the condition that a text names; raises ValueError."""
    match text.split():
        case ["user", "is", "owner"]:
            return Condition(text, is_owner)
        case ["user", "is", "not", "owner"]:
            return Condition(text, lambda resource, user: not is_owner(resource, user))
        case ["resource", "is", "unowned"]:
            return Condition(text, lambda resource, user: owner_of(resource) is None)
        case ["user", "in", "owners", name]:
            return Condition(text, lambda resource, user: _share(name, owner_of(resource), user))
        case ["user", "not", "in", "owners", name]:
            return Condition(text, lambda resource, user: not _share(name, owner_of(resource), user))
        case ["user", "with", value, "in", name]:
            return Condition(text, lambda resource, user: value in _values(name, user))
        case ["user", "with", value, "not", "in", name]:
            return Condition(text, lambda resource, user: value not in _values(name, user))
    raise ValueError(f"Invalid condition: {text}")


def owner_of(resource: Resource) -> User | None:
    """Return who owns a resource; an owner without a name is none."""
    owner = getattr(resource, "owner", None)
    return owner if owner is not None and owner.principal else None


def is_owner(resource: Resource, user: User) -> bool:
    """Whether the user owns the resource."""
    owner = owner_of(resource)
    return owner is not None and owner.principal == user.principal


def _share(name: str, owner: User | None, user: User) -> bool:
    return not set(_values(name, owner)).isdisjoint(_values(name, user))


def _values(name: str, user: User | None) -> list[str]:
    return ((user and user.attributes) or {}).get(name) or []
