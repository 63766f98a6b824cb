"""Advisories in the formats of OSV and of Debian's security tracker."""

import io
import json
import zipfile
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]


def osv(name: str, package: str, *events: Json, ecosystem: str = "PyPI", **more: Any) -> Json:
    """An advisory of one package with one range; `more` is added to the record, or takes the place of what is there."""
    return {
        "schema_version": "1.7.3",
        "id": name,
        "modified": "2026-11-20T10:00:00.123456Z",
        "published": "2026-11-01T00:00:00Z",
        "summary": f"What {name} is about",
        "affected": [affected(package, *events, ecosystem=ecosystem)],
        **more,
    }


def affected(package: str, *events: Json, ecosystem: str = "PyPI", **more: Any) -> Json:
    """An entry of an advisory."""
    named = {"ecosystem": ecosystem, "name": package}
    return {"package": named, "ranges": [{"type": "ECOSYSTEM", "events": list(events)}], **more}


def until(fixed: str) -> tuple[Json, Json]:
    """The events of a range that has everything before a version."""
    return {"introduced": "0"}, {"fixed": fixed}


def debian(status: str, fixed: str | None = None, *, suite: str = "trixie", **more: Any) -> Json:
    """What Debian's tracker has of one flaw."""
    here = {"status": status, "repositories": {suite: "1"}, "urgency": "not yet assigned", **more}
    return {
        "description": "A flaw.",
        "scope": "remote",
        "releases": {suite: here | ({"fixed_version": fixed} if fixed else {})},
    }


def zipped(records: Iterable[Json]) -> bytes:
    """An export of OSV's."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for record in records:
            archive.writestr(f"{record['id']}.json", json.dumps(record))
    return buffer.getvalue()
