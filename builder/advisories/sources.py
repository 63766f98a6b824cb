"""Read advisories: an export of OSV's (a zip, a folder, one file) or the data of Debian's security tracker."""

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from builder import download, network, paths, progress
from builder.advisories import debian_tracker, osv
from builder.advisories.claim import Claim, Packages
from builder.advisories.locked import DEBIAN, PYPI
from builder.errors import AdvisoryError, KitError, UnreachableError

_NOT_IN_THE_FORMAT = (KeyError, TypeError, ValueError, AttributeError, RecursionError)
_NAMED = 5
"""How many broken records a message names."""


@dataclass
class Source:
    """What a place has to say."""

    place: str
    """As messages may show it."""
    advisories: Counter[str] = field(default_factory=Counter)
    """How many, by ecosystem of ours."""
    others: set[str] = field(default_factory=set)
    """Ecosystems that it tells of and an image has nothing of."""
    newest: str = ""
    """The day of its latest change."""
    claims: list[Claim] = field(default_factory=list)
    set_aside: Counter[str] = field(default_factory=Counter)
    """What Debian itself does not call a flaw, by Debian's word for it."""


@dataclass(frozen=True)
class _Document:
    name: str
    content: bytes


def read(places: Sequence[str], packages: Packages) -> list[Source]:
    """What all these files, folders and addresses say of the packages.

    Raises one error for everything that is wrong with any of them: AdvisoryError, or UnreachableError if that is all.
    """
    found, problems = [], []
    for place in places:
        try:
            with progress.step("audit", f"reads {_shown(place)}"):
                found.append(_source(place, packages))
        except KitError as error:
            problems.append(error)
    if problems:
        kind = UnreachableError if all(isinstance(each, UnreachableError) for each in problems) else AdvisoryError
        advice = dict.fromkeys(problem.advice for problem in problems if problem.advice)
        raise kind("\n".join(problem.message for problem in problems), "; ".join(advice))
    return found


def _source(place: str, packages: Packages) -> Source:
    source = Source(_shown(place))
    documents, dated = _documents(place)
    broken = []
    for document in documents:
        try:
            _take(source, json.loads(document.content), packages)
        except _NOT_IN_THE_FORMAT as error:
            broken.append(f"{document.name}: {_reason(error)}")
    if broken:
        more = [f"and {len(broken) - _NAMED} more"] if len(broken) > _NAMED else []
        raise AdvisoryError(
            f"{source.place} has {len(broken)} broken files:\n  " + "\n  ".join([*broken[:_NAMED], *more]),
            "fetch it anew; an export of OSV's or the data of Debian's security tracker was expected",
        )
    if not source.advisories.total():
        others = f"; it tells of {', '.join(sorted(source.others))}" if source.others else ""
        raise AdvisoryError(
            f"{source.place} has no advisory of {PYPI} or {DEBIAN}{others}", "that is the wrong file for this image"
        )
    source.newest = source.newest or dated
    return source


def _take(source: Source, document: Any, packages: Packages) -> None:
    """Add what one JSON document says to a source. Raises one of _NOT_IN_THE_FORMAT."""
    if debian_tracker.is_tracker(document):
        source.advisories[DEBIAN] += debian_tracker.count(document)
        source.claims += debian_tracker.claims(document, packages, source.set_aside)
        return
    for record in document if isinstance(document, list) else [document]:
        if not osv.is_record(record):
            raise ValueError("it is neither an advisory in the OSV format nor the data of Debian's security tracker")
        concerned = osv.ecosystems(record)
        for ecosystem in concerned & {PYPI, DEBIAN}:
            source.advisories[ecosystem] += 1
        source.others |= concerned - {PYPI, DEBIAN}
        source.newest = max(source.newest, record["modified"][:10])
        source.claims += osv.claims(record, packages)


def _documents(place: str) -> tuple[Iterable[_Document], str]:
    """The JSON documents of a place, and the day that it is of, if it says one."""
    shown = _shown(place)
    if _is_address(place):
        answer = download.answer(download.package_session(), place)
        changed = answer.headers.get("Last-Modified")
        return _unpacked(shown, answer.content), parsedate_to_datetime(changed).date().isoformat() if changed else ""
    path = Path(place)
    try:
        dated = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
        if path.is_dir():
            return _in_folder(path), dated
        return _unpacked(shown, path.read_bytes()), dated
    except OSError as error:
        raise AdvisoryError(f"{shown} cannot be read: {error.strerror}") from error


def _in_folder(folder: Path) -> Iterator[_Document]:
    for file in sorted(folder.rglob("*.json")):
        yield _Document(str(file.relative_to(folder)), file.read_bytes())


def _unpacked(shown: str, content: bytes) -> Iterable[_Document]:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return [_Document(shown, content)]
    return _in_zip(shown, content)


def _in_zip(shown: str, content: bytes) -> Iterator[_Document]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                if name.endswith(".json"):
                    yield _Document(name, archive.read(name))
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise AdvisoryError(f"{shown} is a broken zip: {error}", "fetch it anew") from error


def _is_address(place: str) -> bool:
    return place.startswith(("http://", "https://"))


def _shown(place: str) -> str:
    return network.without_password(place) if _is_address(place) else paths.shown(Path(place))


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"has no {error}"
    if isinstance(error, UnicodeDecodeError | json.JSONDecodeError):
        return f"is no JSON: {error}"
    return f"is not in the format: {error}"
