"""What one advisory says of one locked package."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from debian.debian_support import Version as DebianVersion
from packaging.version import Version

from builder.advisories.locked import PYPI, Package

Packages = Mapping[tuple[str, str], Sequence[Package]]
"""Ecosystem and name -> the locked packages of that name."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """An advisory that affects a locked package."""

    package: Package
    names: frozenset[str]
    """The advisory's id and the other names of the same flaw."""
    bundles: frozenset[str] = frozenset()
    """Flaws that have advisories of their own, where this one sums up several."""
    summary: str
    severity: str
    """One of SEVERITIES; empty where the advisory does not say."""
    vector: str
    """CVSS, as the advisory has it; may be empty."""
    mended_in: str | None
    """The first version that is not affected, if there is one."""


SEVERITIES = ("critical", "high", "medium", "low")
"""Worst first."""

_OTHER_WORDS = {"moderate": "medium", "important": "high"}


def severity(word: object) -> str:
    """A severity in the kit's words; empty for what is none."""
    known = str(word or "").strip("*").lower()
    known = _OTHER_WORDS.get(known, known)
    return known if known in SEVERITIES else ""


def ordering(ecosystem: str) -> Callable[[str], Any]:
    """What makes versions of an ecosystem comparable. It raises ValueError for what is no version."""
    return _without_local if ecosystem == PYPI else DebianVersion


def _without_local(version: str) -> Version:
    """2.9.0 of 2.9.0+cpu: advisories know no local versions."""
    return Version(Version(version).public)
