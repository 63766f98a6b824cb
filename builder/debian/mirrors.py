"""Where Debian packages come from: the user's own mirror, never one that the kit names.

In order: the command line, DEBIAN_MIRROR / DEBIAN_SECURITY_MIRROR / DEBIAN_SNAPSHOT, the machine's apt sources.
Who names a mirror gets everything from it: apt's security suite counts only with apt's own mirror.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from debian.deb822 import Deb822

from builder.errors import UnreachableError

APT_SOURCES = Path("/etc/apt")

_CODENAMES = {"bullseye", "bookworm", "trixie", "forky", "duke", "sid"}
_SUITES = _CODENAMES | {"oldoldstable", "oldstable", "stable", "testing", "unstable"}
_COMPANIONS = ("-updates", "-backports", "-proposed-updates")
_TIME = re.compile(r"\d{8}T\d{6}Z")
"""The part of a snapshot's address that says when it was taken."""


@dataclass(frozen=True)
class Mirrors:
    """Addresses of the archive roots, without a trailing slash. `snapshot` holds what mirrors have dropped."""

    debian: str
    security: str
    snapshot: str | None

    def root(self, archive: str) -> str:
        """The address of one archive, `debian` or `debian-security`."""
        return self.security if archive == "debian-security" else self.debian


@dataclass(frozen=True)
class _Source:
    """One address of apt's, and the suites and components it is asked for."""

    address: str
    suites: frozenset[str]
    components: frozenset[str]
    key: str
    """Its `Signed-By`."""


def find(debian: str | None = None) -> Mirrors:
    """The mirrors to use; `debian` is the `--debian-mirror` of the command line.

    Raises UnreachableError where the machine knows none and none was given.
    """
    named = debian or os.environ.get("DEBIAN_MIRROR")
    sources = [] if named else list(_apt_sources(APT_SOURCES))
    main = named or _likeliest(sources, _SUITES)
    if not main:
        raise UnreachableError(
            "no Debian mirror is known: this machine has no Debian apt sources",
            "set DEBIAN_MIRROR (or --debian-mirror) to the address of one, the folder that holds dists/ and "
            "pool/; your platform team's mirror, or one from the list at www.debian.org/mirror/list",
        )
    main = main.rstrip("/")
    security = os.environ.get("DEBIAN_SECURITY_MIRROR") or _likeliest(sources, {f"{name}-security" for name in _SUITES})
    snapshot = os.environ.get("DEBIAN_SNAPSHOT") or _snapshot_beside(main)
    return Mirrors(main, (security or _security_beside(main)).rstrip("/"), snapshot)


def is_snapshot(root: str) -> bool:
    """Whether an archive's address names the time that it is of, so that an index from then is what is asked for."""
    return _TIME.search(urlsplit(root).path) is not None


def _likeliest(sources: list[_Source], suites: set[str]) -> str | None:
    """The address that most looks like Debian's own archive of these suites; others offer packages for them, too.

    Debian's key, further suites beside this one and further components are the archive's. A folder called debian or
    a suite by its codename may be somebody else's, with a key of his own.
    """
    suites_of: dict[str, set[str]] = {}
    for source in sources:
        suites_of.setdefault(source.address, set()).update(source.suites)
    best: tuple[tuple[bool, ...], str] | None = None
    for source in sources:
        if not source.suites & suites or "main" not in source.components:
            continue
        beside = {suite + companion for suite in source.suites for companion in _COMPANIONS}
        debians_key = "debian-archive" in source.key
        complete = bool(suites_of[source.address] & beside or source.components & {"contrib", "non-free-firmware"})
        called_debian = source.address.rstrip("/").rpartition("/")[2].startswith("debian")
        foreign_key = bool(source.key) and not debians_key
        by_codename = any(suite.partition("-")[0] in _CODENAMES for suite in source.suites & suites)
        plain = (called_debian and not foreign_key, by_codename and not foreign_key)
        looks = (debians_key, complete, *plain, called_debian and by_codename)
        if any(looks) and (best is None or looks > best[0]):
            best = looks, source.address
    return best[1] if best else None


def _apt_sources(folder: Path) -> Iterator[_Source]:
    """What apt's one-line and deb822 source files name that can be reached over HTTP."""
    for address, suites, components, key in [*_one_line(folder), *_deb822(folder)]:
        for found in _addresses(address):
            if found.startswith(("http://", "https://")):
                yield _Source(found, frozenset(suites.split()), frozenset(components.split()), key)


def _one_line(folder: Path) -> Iterator[tuple[str, str, str, str]]:
    line = re.compile(r"^[ \t]*deb[ \t]+(?:\[([^\]\n]*)\][ \t]+)?(\S+)[ \t]+(\S+)[ \t]*([^#\n]*)", re.MULTILINE)
    for file in [folder / "sources.list", *sorted(folder.glob("sources.list.d/*.list"))]:
        for options, address, suite, components in line.findall(_readable(file)):
            key = re.search(r"signed-by=(\S+)", options)
            yield address, suite, components, key[1] if key else ""


def _deb822(folder: Path) -> Iterator[tuple[str, str, str, str]]:
    for file in sorted(folder.glob("sources.list.d/*.sources")):
        for paragraph in Deb822.iter_paragraphs(_readable(file)):
            if paragraph.get("Enabled", "yes").lower() == "no" or "deb" not in paragraph.get("Types", "").split():
                continue
            suites, components = paragraph.get("Suites", ""), paragraph.get("Components", "")
            for address in paragraph.get("URIs", "").split():
                yield address, suites, components, paragraph.get("Signed-By", "")


def _readable(file: Path) -> str:
    """The text of a file; empty where there is none that this user may read, as one with a password in it."""
    return file.read_text(encoding="utf-8", errors="replace") if os.access(file, os.R_OK) else ""


def _addresses(address: str) -> list[str]:
    """The address itself, or those in the list of mirrors that it names, as in Debian's cloud images."""
    if not address.startswith("mirror+file:"):
        return [address]
    lines = _readable(Path(urlsplit(address).path)).splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


def _security_beside(mirror: str) -> str:
    """`debian-security` beside `debian`, also where more stands around it: debian-remote, debian/20260101T000000Z."""
    before, slash, folder = mirror.rpartition("/")
    if _TIME.fullmatch(folder):
        return f"{_security_beside(before)}/{folder}"
    if folder.startswith("debian"):
        return f"{before}{slash}debian-security{folder.removeprefix('debian')}"
    return mirror + "-security"


def _snapshot_beside(mirror: str) -> str | None:
    """The archive that a snapshot is of; Debian keeps its own on the host `snapshot` beside the mirror host `deb`."""
    parts = urlsplit(mirror)
    if is_snapshot(mirror):
        archive = _TIME.split(parts.path)[0].rstrip("/").rpartition("/")[0]
        return f"{parts.scheme}://{parts.netloc}{archive}"
    if not (parts.hostname or "").startswith("deb."):
        return None
    return urlunsplit((parts.scheme, "snapshot" + parts.netloc.removeprefix("deb"), "/archive", "", ""))
