"""Which routes there are, and for whom: `server.auth.route_policy`, as llama-stack 0.5 and later have it."""

import re
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Self

from llama_stack.core.access_control.conditions import parse_conditions
from llama_stack.core.datatypes import User
from pydantic import BaseModel, field_validator, model_validator

REGULAR_EXPRESSION = "regex:"

# /v1/openai/v1/files is /v1/files, and /v1alpha/agents is /v1/agents: who switches one off means both.
_SPELLINGS = re.compile(r"^/v1/openai/v1(?=/)|^/v1(?:alpha|beta)(?=/)")
# But /v1alpha* is what it says.
_OF_A_VERSION = re.compile(r"^/v1(?:alpha|beta)(?=/[^*])")


class RouteScope(BaseModel):
    """Paths: each exact, with a `*` at its end for all that begin so, or `regex:` and an expression."""

    paths: str | list[str]

    @field_validator("paths")
    @classmethod
    def _expressions_are_right(cls, paths: str | list[str]) -> str | list[str]:
        for path in as_list(paths):
            if path.startswith(REGULAR_EXPRESSION):
                try:
                    re.compile(path.removeprefix(REGULAR_EXPRESSION))
                except re.error as error:
                    raise ValueError(f"{path} is no regular expression: {error}") from error
        return paths


class RouteAccessRule(BaseModel):
    """Permits or forbids routes, to all or to those users for whom `when` holds, or `unless` does not."""

    permit: RouteScope | None = None
    forbid: RouteScope | None = None
    when: str | list[str] | None = None
    unless: str | list[str] | None = None
    description: str | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if bool(self.permit) == bool(self.forbid):
            raise ValueError("a rule has either `permit` or `forbid`")
        if self.when and self.unless:
            raise ValueError("`when` and `unless` are mutually exclusive")
        parse_conditions([*as_list(self.when), *as_list(self.unless)])
        return self

    @property
    def paths(self) -> list[str]:
        """The paths it is about."""
        scope = self.permit or self.forbid
        return as_list(scope.paths if scope else None)

    @property
    def is_for_all(self) -> bool:
        """Whether it makes no difference between users."""
        return not (self.when or self.unless)

    def is_about(self, path: str, user: User | None) -> bool:
        """Tell whether it decides of a path for a user; None is a user whom nobody knows."""
        return any(matches(pattern, path) for pattern in self.paths) and (self.is_for_all or self._is_for(user))

    def _is_for(self, user: User | None) -> bool:
        if user is None:
            return False
        if self.when:
            return all(one.matches(_NOTHING, user) for one in parse_conditions(as_list(self.when)))
        return not any(one.matches(_NOTHING, user) for one in parse_conditions(as_list(self.unless)))


class _Nothing:
    """Stands where conditions expect a resource."""

    type = "route"
    identifier = "route"
    owner: Any = None


_NOTHING = _Nothing()

in_force: ContextVar[Sequence[RouteAccessRule]] = ContextVar("in_force", default=())
"""The policy of the server that handles the current request, for what reaches another route without HTTP."""


def as_list(value: str | list[str] | None) -> list[str]:
    """Return what may be written as a text or as a list."""
    return [value] if isinstance(value, str) else value or []


def matches(pattern: str, path: str) -> bool:
    """Tell whether a path is one of those that a pattern means, in any of the spellings that llama-stack serves."""
    own = _OF_A_VERSION.sub("/v1", pattern)
    return _matches(pattern, path) or _matches(own, _SPELLINGS.sub("/v1", path))


def _matches(pattern: str, path: str) -> bool:
    if pattern.startswith(REGULAR_EXPRESSION):
        return re.match(pattern.removeprefix(REGULAR_EXPRESSION), path) is not None
    if pattern.endswith("*"):
        return path.startswith(pattern.removesuffix("*"))
    return path == pattern


def is_allowed(policy: Sequence[RouteAccessRule], path: str, user: User | None) -> bool:
    """Ask the first rule that is about the path and the user; what no rule is about is forbidden."""
    if not policy:
        return True
    path = path.rstrip("/\n") or "/"  # a route answers with them too
    deciding = next((rule for rule in policy if rule.is_about(path, user)), None)
    return bool(deciding and deciding.permit)


def is_for_nobody(policy: Sequence[RouteAccessRule], path: str) -> bool:
    """Tell whether a path is forbidden whoever asks."""
    if not policy:
        return False
    about = [rule for rule in policy if any(matches(pattern, path) for pattern in rule.paths)]
    deciding = next((rule for rule in about if rule.permit or rule.is_for_all), None)
    return not (deciding and deciding.permit)
