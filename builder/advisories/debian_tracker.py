"""The data of Debian's security tracker: source package -> CVE -> release -> what holds there."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from builder.advisories.claim import Claim, Packages, ordering, severity
from builder.advisories.locked import DEBIAN, Package
from builder.debian.index import SUITE

UNIMPORTANT, UNDETERMINED = "unimportant", "undetermined"
"""Debian's words for what affects no package that it builds, and for what nobody has looked at yet."""


def is_tracker(document: object) -> bool:
    """Whether this looks like the tracker's data."""
    if not isinstance(document, dict) or not document:
        return False
    flaws = next(iter(document.values()))
    return isinstance(flaws, dict) and all(isinstance(flaw, dict) and "releases" in flaw for flaw in flaws.values())


def count(document: dict[str, Any]) -> int:
    """How many flaws of packages in the release of the base it tells of."""
    return sum(SUITE in flaw["releases"] for flaws in document.values() for flaw in flaws.values())


def claims(document: dict[str, Any], packages: Packages, set_aside: Counter[str]) -> Iterator[Claim]:
    """What the tracker says of the locked packages. `set_aside` counts what Debian itself does not call a flaw.

    Raises KeyError, TypeError, ValueError or AttributeError if it is not in the format.
    """
    for source, flaws in document.items():
        for package in packages.get((DEBIAN, source), ()):
            for name, flaw in flaws.items():
                if SUITE in flaw["releases"]:
                    yield from _claim(package, name, flaw, set_aside)


def _claim(package: Package, name: str, flaw: dict[str, Any], set_aside: Counter[str]) -> Iterator[Claim]:
    here = flaw["releases"][SUITE]
    status, urgency, mended_in = here["status"], here.get("urgency", ""), here.get("fixed_version")
    if status not in ("open", "resolved", UNDETERMINED):
        raise ValueError(f"{name} of {package.name} has the status {status!r}")
    parse = ordering(package.ecosystem)
    if status == "resolved" and (mended_in == "0" or parse(package.version) >= parse(mended_in)):
        return
    if status == UNDETERMINED or urgency == UNIMPORTANT:
        set_aside[UNDETERMINED if status == UNDETERMINED else UNIMPORTANT] += 1
        return
    postponed = here.get("nodsa")
    yield Claim(
        package=package,
        names=frozenset({name}),
        summary=str(flaw.get("description", "")) + (f" (Debian: {postponed})" if postponed else ""),
        severity=severity(urgency),
        vector="",
        mended_in=mended_in if status == "resolved" else None,
    )
