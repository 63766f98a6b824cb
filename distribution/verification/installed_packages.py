"""Which of the packages that a provider lists are not in this image."""

from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import InvalidRequirement, Requirement


def absent(requirements: Iterable[str]) -> list[str]:
    """Return the names of those that are not installed. Providers list generously: they may do without."""
    return [one.name for one in _parsed(requirements) if not is_installed(one.name)]


def absent_of_extras(requirements: Iterable[str]) -> list[str]:
    """Return what is missing of extras asked for by name, as in `pymilvus[milvus-lite]`: that is really needed."""
    wanted = [one for one in _parsed(requirements) if one.extras and is_installed(one.name)]
    return [name for one in wanted for name in _of_extras(one) if not is_installed(name)]


def _parsed(requirements: Iterable[str]) -> Iterator[Requirement]:
    for text in requirements:
        try:
            yield Requirement(text)
        except InvalidRequirement:
            continue  # pip's own options are among them


def _of_extras(requirement: Requirement) -> Iterator[str]:
    for needed in _parsed(distribution(requirement.name).requires or []):
        if needed.marker and not needed.marker.evaluate({"extra": ""}):
            evaluate = needed.marker.evaluate
            yield from {needed.name for extra in requirement.extras if evaluate({"extra": extra})}


def is_installed(name: str) -> bool:
    """Tell whether a package is installed."""
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
