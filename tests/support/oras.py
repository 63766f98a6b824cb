"""The `oras` client, out of Debian's package: one program that needs nothing else."""

import io
from pathlib import Path

from debian.debfile import DebFile

from builder import download, paths
from builder.debian import index, mirrors


def fetch(folder: Path) -> Path:
    """Put the program into a folder."""
    http, site = download.session(), mirrors.find(None)
    (package,) = index.current(http, site, ["oras"], "amd64")
    content = download.cached(http, [f"{site.root(package.archive)}/{package.path}"], package.sha256, paths.DOWNLOADS)
    with DebFile(fileobj=io.BytesIO(content)).data.tgz() as archive:
        program = archive.extractfile("./usr/bin/oras")
        assert program
        place = folder / "oras"
        place.write_bytes(program.read())
    place.chmod(0o755)
    return place
