"""Fetch the locked Debian packages; where a mirror has dropped one, look further."""

from dataclasses import dataclass

import requests

from builder import download, ending, network, paths
from builder.debian import index
from builder.debian.index import Package
from builder.debian.mirrors import Mirrors
from builder.errors import UnreachableError


@dataclass(frozen=True)
class Fetched:
    """A package and its `.deb`. `locked` is the package the lock names, where another took its place."""

    package: Package
    content: bytes
    locked: Package | None = None


def fetch(mirrors: Mirrors, packages: list[Package], *, allow_substitutes: bool) -> list[Fetched]:
    """Every package, from the download cache, the mirror, or Debian's snapshot archive.

    A package that none of them has is replaced by the suite's current version, unless
    `allow_substitutes` is false (`--locked`): then UnreachableError names it.
    """
    found = {package: download.kept(package.sha256, paths.DOWNLOADS) for package in packages}
    if wanted := [package for package, content in found.items() if content is None]:
        http = download.package_session()
        with ending.threads(8) as pool:
            found |= zip(wanted, pool.map(lambda package: _locked(http, mirrors, package), wanted), strict=True)
    gone = [package for package, content in found.items() if content is None]
    if gone and not allow_substitutes:
        names = ", ".join(f"{package.name} {package.version}" for package in gone)
        places = dict.fromkeys(network.without_password(mirrors.root(package.archive)) for package in gone)
        raise UnreachableError(
            f"neither {' nor '.join(places)} nor a snapshot archive has {names}, and --locked forbids another version",
            "set DEBIAN_MIRROR, DEBIAN_SECURITY_MIRROR or DEBIAN_SNAPSHOT to an archive that has it, or run: "
            "python build.py lock",
        )
    substitutes = _substitutes(http, mirrors, gone) if gone else {}
    return [
        Fetched(package, content) if content is not None else substitutes[package.name]
        for package, content in found.items()
    ]


def _locked(http: requests.Session, mirrors: Mirrors, package: Package) -> bytes | None:
    """The locked file, or None if nobody has it any more."""
    addresses = [f"{mirrors.root(package.archive)}/{package.path}"]
    if mirrors.snapshot:
        addresses.append(f"{mirrors.snapshot}/{package.archive}/{package.snapshot}/{package.path}")
    try:
        return download.cached(http, addresses[:1], package.sha256, paths.DOWNLOADS)
    except download.NotThereError:
        try:
            return download.cached(http, addresses[1:], package.sha256, paths.DOWNLOADS)
        except UnreachableError:  # an air-gapped network often has a mirror but no snapshot archive
            return None


def _substitutes(http: requests.Session, mirrors: Mirrors, gone: list[Package]) -> dict[str, Fetched]:
    """The current version of each package that is gone, by name."""
    current = index.current(http, mirrors, [package.name for package in gone], gone[0].architecture)
    locked = {package.name: package for package in gone}
    found = {}
    for package in current:
        address = f"{mirrors.root(package.archive)}/{package.path}"
        content = download.cached(http, [address], package.sha256, paths.DOWNLOADS)
        found[package.name] = Fetched(package, content, locked[package.name])
    return found
