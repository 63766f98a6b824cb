"""How old a release must be before `lock --upgrade` takes it.

A release that somebody smuggled in is mostly found and withdrawn within days. Who waits does not get it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from builder import network
from builder.errors import UnreachableError

YOUNGEST = "7 days"
"""Younger releases are left out, unless uv is told another age or date."""

_SAID = ("exclude-newer", "no publish time")
"""How uv says that it left a release out."""


@dataclass(frozen=True)
class Upgrade:
    """Whether packages move to newer releases, and to how new ones."""

    newest: bool = False
    """Whether also to those that are too young, or of which no index says how old they are."""

    @property
    def words(self) -> list[str]:
        """uv's options."""
        if self.newest:
            return ["--upgrade", "--exclude-newer", "false"]
        return ["--upgrade", *([] if network.limits_age() else ["--exclude-newer", YOUNGEST])]


def words(upgrade: Upgrade | None) -> list[str]:
    """uv's options; none where packages stay at their versions unless they must move."""
    return upgrade.words if upgrade else []


@contextmanager
def explained() -> Iterator[None]:
    """Advise on the age of releases where that is why nothing was found."""
    try:
        yield
    except UnreachableError as error:
        if not any(words in error.message for words in _SAID):
            raise
        raise UnreachableError(
            error.message,
            "a release that is too young is left out, and so is one of which an index does not say when it was "
            "uploaded (PEP 700), an extra index too. Leave that index out (UV_INDEX=, PIP_EXTRA_INDEX_URL=), except a "
            "package (exclude-newer-package in uv.toml), or take all: --newest",
        ) from error
