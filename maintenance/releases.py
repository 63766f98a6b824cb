"""The llama-stack that is installed, and another release: fetched, never imported."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from builder import command
from builder.errors import UnreachableError, UsageError
from maintenance.sources import Sources


def installed() -> tuple[str, Sources]:
    """Return version and sources of the pinned llama-stack: the tests' environment has it."""
    pinned = distribution("llama-stack")
    return pinned.version, Sources(Path(str(pinned.locate_file(""))))


@contextmanager
def fetched(version: str) -> Iterator[Sources]:
    """Fetch a release from the package index and yield its sources, which are there while the block lasts.

    Raises UsageError for what is no version, UnreachableError if the index does not have it or does not answer.
    """
    try:
        wanted = f"llama-stack=={Version(version)}"
    except InvalidVersion as error:
        raise UsageError(f"{version!r} is not a version", "for example: python -m maintenance.moved 0.3.5") from error
    with tempfile.TemporaryDirectory() as scratch:
        _install(wanted, scratch)
        if _is_split(Path(scratch)):
            _install(wanted.replace("llama-stack", "llama-stack-api"), scratch)
        yield Sources(Path(scratch))


def _install(requirement: str, folder: str) -> None:
    command.run_uv(
        ["pip", "install", "--quiet", "--no-deps", "--target", folder, requirement],
        failure=f"{requirement} could not be fetched",
        error=UnreachableError,
    )


def _is_split(folder: Path) -> bool:
    """Tell whether a release asks for a package llama-stack-api and does not hold it: 0.4 holds it all the same."""
    asked = [Requirement(line) for found in distributions(path=[str(folder)]) for line in found.requires or []]
    return any(one.name == "llama-stack-api" for one in asked) and not (folder / "llama_stack_api").is_dir()
