"""Advisories in the OSV format: PyPI's, and Debian's as OSV has them."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from packaging.utils import canonicalize_name

from builder.advisories.claim import Claim, Packages, ordering, severity
from builder.advisories.locked import PYPI, Package

_COMPARABLE = ("ECOSYSTEM", "SEMVER")
"""Ranges of versions; the others are of commits."""

_NOT_IMPORTANT = "unimportant"
"""Debian's word for what affects no package that it builds."""


def is_record(document: object) -> bool:
    """Whether this looks like an advisory in the OSV format."""
    return isinstance(document, dict) and isinstance(document.get("id"), str) and "modified" in document


def ecosystems(record: dict[str, Any]) -> set[str]:
    """The ecosystems that a record is about."""
    return {str(entry["package"]["ecosystem"]) for entry in record.get("affected", []) if "package" in entry}


def claims(record: dict[str, Any], packages: Packages) -> Iterator[Claim]:
    """What a record says of the locked packages; nothing if it was withdrawn.

    Raises KeyError, TypeError, ValueError or AttributeError if it is not in the format.
    """
    if record.get("withdrawn"):
        return
    by_package: dict[Package, list[dict[str, Any]]] = {}
    for entry in record.get("affected", []):
        if "package" not in entry:
            continue  # it is about commits alone
        ecosystem, name = str(entry["package"]["ecosystem"]), str(entry["package"]["name"])
        name = canonicalize_name(name) if ecosystem == PYPI else name
        for package in packages.get((ecosystem, name), ()):
            by_package.setdefault(package, []).append(entry)
    for package, entries in by_package.items():
        if affecting := [entry for entry in entries if _affects(entry, package)]:
            yield _claim(record, package, affecting)


def _claim(record: dict[str, Any], package: Package, entries: list[dict[str, Any]]) -> Claim:
    upstream = frozenset(record.get("upstream", []))
    one_flaw = len(upstream) == 1
    rated = [*chain.from_iterable(entry.get("severity", []) for entry in entries), *record.get("severity", [])]
    details = [record, *entries]
    words = [(part.get("database_specific") or {}).get("severity") for part in details]
    words += [(part.get("ecosystem_specific") or {}).get(key) for part in details for key in ("severity", "urgency")]
    described = str(record.get("summary") or record.get("details") or "").strip()
    return Claim(
        package=package,
        names=frozenset({record["id"], *record.get("aliases", []), *(upstream if one_flaw else ())}),
        bundles=frozenset() if one_flaw else upstream,
        summary=described.partition("\n")[0],
        severity=next(filter(None, map(severity, words)), ""),
        vector=next((item["score"] for item in rated if str(item["type"]).startswith("CVSS")), ""),
        mended_in=_mended_in(entries, package),
    )


def _affects(entry: dict[str, Any], package: Package) -> bool:
    """Whether an entry's list of versions or one of its ranges has the package's version.

    A range with an end that is no version is passed over where there is a list, and has every version where there is
    none: somebody should look.
    """
    if (entry.get("ecosystem_specific") or {}).get("urgency") == _NOT_IMPORTANT:
        return False
    parse = ordering(package.ecosystem)
    version, listed = parse(package.version), entry.get("versions") or []
    if any(_same(parse, item, version) for item in listed):
        return True
    for events in _ranges(entry):
        try:
            if _has(events, version, parse):
                return True
        except ValueError:
            if not listed:
                return True
    return False


def _ranges(entry: dict[str, Any]) -> Iterator[list[tuple[str, str]]]:
    """The events of each range: what happens at which version."""
    for each in entry.get("ranges") or []:
        if each["type"] in _COMPARABLE:
            yield [(kind, at) for event in each["events"] for kind, at in event.items()]


def _has(events: list[tuple[str, str]], version: Any, parse: Callable[[str], Any]) -> bool:
    """Whether a version is affected after all events up to it, as the format's own algorithm has it."""
    inside = False
    for kind, at in sorted(events, key=lambda event: (0,) if event[1] == "0" else (1, parse(event[1]))):
        if kind == "introduced" and (at == "0" or version >= parse(at)):
            inside = True
        if (kind == "fixed" and version >= parse(at)) or (kind == "last_affected" and version > parse(at)):
            inside = False
    return inside


def _mended_in(entries: list[dict[str, Any]], package: Package) -> str | None:
    """The lowest version above the package's that mends a range."""
    parse = ordering(package.ecosystem)
    version = parse(package.version)
    fixes = {}
    for kind, at in chain.from_iterable(chain.from_iterable(map(_ranges, entries))):
        if kind == "fixed" and (parsed := _parsed(parse, at)) is not None and parsed > version:
            fixes[at] = parsed
    return min(fixes, key=lambda at: fixes[at], default=None)


def _same(parse: Callable[[str], Any], item: str, version: Any) -> bool:
    return bool(_parsed(parse, item) == version)


def _parsed(parse: Callable[[str], Any], text: str) -> Any:
    """The version, or None for what is none, as some very old releases have."""
    try:
        return parse(text)
    except ValueError:
        return None
