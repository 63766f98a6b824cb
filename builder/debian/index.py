"""Debian's package index: which version of a package is current, checked by Debian's signature."""

import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pysequoia
import requests
from debian.deb822 import Packages, Release
from debian.debian_support import Version

from builder import download, network, paths
from builder.debian.mirrors import Mirrors, is_snapshot
from builder.download import NotThereError
from builder.errors import KitError, UnreachableError

SUITE = "trixie"
RELEASE = "13"
"""What Debian counts that suite as."""
INDEXES = (("debian", SUITE), ("debian", f"{SUITE}-updates"), ("debian-security", f"{SUITE}-security"))
"""(archive, distribution) pairs that packages are looked up in; the newest version wins."""


@dataclass(frozen=True, order=True)
class Package:
    """One binary package of one architecture, as the index describes it."""

    architecture: str
    name: str
    version: str
    archive: str
    """`debian` or `debian-security`."""
    path: str
    """Below the archive's root: `pool/...`."""
    sha256: str
    size: int
    """Bytes to download."""
    snapshot: str
    """When the index that lists it was made, as Debian's snapshot archive writes times."""


def current(http: requests.Session, mirrors: Mirrors, names: list[str], architecture: str) -> list[Package]:
    """The newest version of each named package. Raises KitError naming all that Debian does not have."""
    newest: dict[str, Package] = {}
    for archive, distribution in INDEXES:
        root = f"{mirrors.root(archive)}/dists/{distribution}"
        release = _release(http, f"{root}/InRelease", archive, distribution)
        made = parsedate_to_datetime(release["Date"]).astimezone(UTC)
        listing = f"main/binary-{architecture}/Packages.xz"
        sha256 = next(entry["sha256"] for entry in release["SHA256"] if entry["name"] == listing)
        content = download.checked(download.get(http, f"{root}/{listing}"), sha256, f"{distribution}'s {listing}")
        for paragraph in _paragraphs(lzma.decompress(content).decode(), set(names)):
            package = _package(Packages(paragraph), architecture, archive, made)
            held = newest.get(package.name)
            if held is None or Version(package.version) > Version(held.version):
                newest[package.name] = package
    if missing := sorted(set(names) - newest.keys()):
        raise KitError(f"Debian {SUITE} has no package {', '.join(missing)} for {architecture}")
    return sorted(newest.values())


def _release(http: requests.Session, address: str, archive: str, distribution: str) -> Release:
    """The signed index of a distribution, if it is the one that was asked for and still holds."""
    shown = network.without_password(address)
    try:
        release = Release(_signed_text(download.get(http, address), shown))
    except NotThereError as error:
        variable = "DEBIAN_SECURITY_MIRROR" if archive == "debian-security" else "DEBIAN_MIRROR"
        advice = f"set {variable} to the folder of a mirror that holds dists/{distribution}/ and pool/"
        raise UnreachableError(error.message, advice) from error
    if release.get("Codename") != distribution:
        raise KitError(
            f"{shown} is the index of {release.get('Codename') or 'nothing named'} and not of {distribution}",
            "use a mirror that serves Debian's own index; a proxy may be changing it",
        )
    until = release.get("Valid-Until")
    if until and parsedate_to_datetime(until) < datetime.now(UTC) and not is_snapshot(address):
        raise KitError(
            f"{shown} has expired: it was valid until {until}, and later security updates are not in it",
            "use a mirror that is up to date (and a clock that is right); a snapshot is accepted if its address says "
            "of when it is, as in .../debian/20260101T000000Z",
        )
    return release


def _paragraphs(listing: str, names: set[str]) -> Iterator[str]:
    """The paragraphs of the named packages; parsing all 70,000 would take half a minute."""
    for paragraph in listing.split("\n\n"):
        name = paragraph.partition("\n")[0].removeprefix("Package: ")
        if name in names:
            yield paragraph


def _package(entry: Packages, architecture: str, archive: str, made: datetime) -> Package:
    return Package(
        architecture=architecture,
        name=entry["Package"],
        version=entry["Version"],
        archive=archive,
        path=entry["Filename"],
        sha256=entry["SHA256"],
        size=int(entry["Size"]),
        snapshot=made.strftime("%Y%m%dT%H%M%SZ"),
    )


def _signed_text(signed: bytes, name: str) -> bytes:
    """The text of a clear-signed file, if one of Debian's archive keys signed it."""
    certificates = pysequoia.Cert.split_bytes(paths.DEBIAN_KEYS.read_bytes())
    try:
        verified = pysequoia.verify(signed, store=lambda _: certificates)
    except Exception as error:  # the library raises its own errors as plain Exception
        raise KitError(
            f"{name} is not signed by Debian's archive keys: {error}",
            "use a mirror that serves Debian's own index; a proxy may be changing it",
        ) from error
    return bytes(verified.bytes or b"")
