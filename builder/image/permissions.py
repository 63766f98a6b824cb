"""Modes that keep an arbitrary uid from using the image: the mapped root of a sandbox would not notice them."""

from collections.abc import Iterable, Iterator

from builder.errors import KitError
from builder.image.entries import Entry, Kind

_SHOWN = 20


def checked(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield the entries; raise KitError at the end if a uid without rights could not use some of them."""
    found = []
    for entry in entries:
        if why := fault(entry):
            found.append(why)
        yield entry
    if found:
        raise KitError("an arbitrary uid could not use the image:\n  " + "\n  ".join(found[:_SHOWN]))


def fault(entry: Entry) -> str:
    """What is wrong with an entry's mode; empty if nothing is."""
    if entry.kind is Kind.DIRECTORY and entry.mode & 0o005 != 0o005 and entry.path != "root":
        return f"/{entry.path} cannot be entered (mode {entry.mode:o})"
    if entry.kind is Kind.FILE and not entry.mode & 0o004:
        return f"/{entry.path} cannot be read (mode {entry.mode:o})"
    if entry.kind is Kind.FILE and entry.mode & 0o002:
        return f"/{entry.path} can be written by anyone (mode {entry.mode:o})"
    return ""
