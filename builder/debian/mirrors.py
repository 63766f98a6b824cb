"""Where Debian packages come from: the user's own mirror, never one that the kit names.

In order: the command line, DEBIAN_MIRROR / DEBIAN_SECURITY_MIRROR / DEBIAN_SNAPSHOT, the machine's apt sources.
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


@dataclass(frozen=True)
class Mirrors:
    """Addresses of the archive roots, without a trailing slash. `snapshot` holds what mirrors have dropped."""

    debian: str
    security: str
    snapshot: str | None

    def root(self, archive: str) -> str:
        """The address of one archive, `debian` or `debian-security`."""
        return self.security if archive == "debian-security" else self.debian


def find(debian: str | None = None) -> Mirrors:
    """The mirrors to use; `debian` is the `--debian-mirror` of the command line.

    Raises UnreachableError where the machine knows none and none was given.
    """
    from_apt = list(_apt_addresses(APT_SOURCES))
    main = debian or os.environ.get("DEBIAN_MIRROR") or _ending(from_apt, "debian")
    if not main:
        raise UnreachableError(
            "no Debian mirror is known: this machine has no Debian apt sources",
            "set DEBIAN_MIRROR (or --debian-mirror) to the address of one, the folder that holds dists/ and "
            "pool/; your platform team's mirror, or one from the list at www.debian.org/mirror/list",
        )
    main = main.rstrip("/")
    security = os.environ.get("DEBIAN_SECURITY_MIRROR") or (None if debian else _ending(from_apt, "debian-security"))
    snapshot = os.environ.get("DEBIAN_SNAPSHOT") or _snapshot_beside(main)
    return Mirrors(main, (security or main + "-security").rstrip("/"), snapshot)


def _apt_addresses(folder: Path) -> Iterator[str]:
    """The addresses in apt's one-line and deb822 source files."""
    for file in [folder / "sources.list", *sorted(folder.glob("sources.list.d/*.list"))]:
        if file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            yield from re.findall(r"^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)", text, re.MULTILINE)
    for file in sorted(folder.glob("sources.list.d/*.sources")):
        with file.open(encoding="utf-8", errors="replace") as stream:
            for paragraph in Deb822.iter_paragraphs(stream):
                if paragraph.get("Enabled", "yes").lower() != "no":
                    yield from paragraph.get("URIs", "").split()


def _ending(addresses: list[str], name: str) -> str | None:
    for address in addresses:
        if address.startswith(("http://", "https://")) and address.rstrip("/").endswith("/" + name):
            return address
    return None


def _snapshot_beside(mirror: str) -> str | None:
    """Debian keeps its snapshot archive on the host `snapshot` beside the mirror host `deb`."""
    parts = urlsplit(mirror)
    if not (parts.hostname or "").startswith("deb."):
        return None
    return urlunsplit((parts.scheme, "snapshot" + parts.netloc.removeprefix("deb"), "/archive", "", ""))
