"""The default base: a root file system made of Debian packages, unpacked without dpkg.

Like distroless images: each package leaves its record in /var/lib/dpkg/status.d, where scanners look.
What installation scripts would do is done here, because none of them runs: the bundle of CA certificates,
the accounts, and the links `python`, `sh` and a handful of small tools.
"""

import io
import posixpath
import tarfile
from collections.abc import Iterator

from debian.debfile import DebFile

from builder.image import entries
from builder.image.entries import Entry, Kind

PYTHON_VERSION = "3.13"
SITE_PACKAGES = f"usr/local/lib/python{PYTHON_VERSION}/dist-packages"
"""The directory that Debian's Python reads `.pth` files from."""

USER = 1001
"""The default user; any other may be given at run time, with group 0."""

_DOCUMENTATION = (
    "usr/share/doc/",
    "usr/share/man/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/locale/",
)
_MERGED = ("bin/", "sbin/", "lib/", "lib64/")
_TOOLS = """
awk basename cat chmod clear cp cut date df dirname du echo env false find free grep gunzip gzip head hostname
id kill less ln ls mkdir mktemp mv nc nslookup printenv printf ps pwd readlink realpath rm rmdir sed seq sleep
sort stat tail tar tee test top touch tr true uname uniq vi wc wget which whoami xargs
"""
"""What people who look into a running container type; busybox answers to all of these names."""

_PASSWD = f"""\
root:x:0:0:root:/root:/bin/sh
llama:x:{USER}:0:Llama Stack:/data:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_GROUP = """\
root:x:0:
tty:x:5:
nogroup:x:65534:
"""
_NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"


def root_entries(packages: list[bytes]) -> list[Entry]:
    """The entries of a root file system made of these `.deb` files, sorted by path."""
    found: dict[str, Entry] = {}
    for package in packages:
        for entry in _unpacked(package):
            found[entry.path] = entry
    for entry in _configuration(found):
        found.setdefault(entry.path, entry)
    return [found[path] for path in sorted(found)]


def _unpacked(package: bytes) -> Iterator[Entry]:
    deb = DebFile(fileobj=io.BytesIO(package))
    with deb.data.tgz() as archive:
        for member in archive:
            path = _merged(member.name.removeprefix("./").strip("/"))
            if path in ("", ".") or _is_left_out(path, member):
                continue
            mode = member.mode & 0o1777  # no set-uid or set-gid program is needed
            if member.isdir():
                yield entries.directory(path, mode)
            elif member.issym():
                yield entries.link(path, member.linkname)
            else:
                yield entries.file(path, _content(archive, member), mode)
    control = deb.debcontrol()
    name = control["Package"]
    yield entries.file(f"var/lib/dpkg/status.d/{name}", control.dump().encode())


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)  # follows a hard link to the file it stands for
    return stream.read() if stream else b""


def _merged(path: str) -> str:
    """/bin, /sbin and /lib are links into /usr; a package that still uses them means the same place."""
    return f"usr/{path}" if path.startswith(_MERGED) else path


def _is_left_out(path: str, member: tarfile.TarInfo) -> bool:
    """All documentation but licences: files, and links of a package to the folder of another that has its licence."""
    is_link_to_package = member.issym() and posixpath.dirname(path) == "usr/share/doc"
    return path.startswith(_DOCUMENTATION) and not path.endswith("/copyright") and not is_link_to_package


def _configuration(unpacked: dict[str, Entry]) -> Iterator[Entry]:
    """What the packages' installation scripts would have made."""
    certificates = [
        entry.content
        for path, entry in sorted(unpacked.items())
        if path.startswith("usr/share/ca-certificates/") and entry.kind is Kind.FILE
    ]
    bundle = b"".join(content for content in certificates if isinstance(content, bytes))
    yield entries.file("etc/ssl/certs/ca-certificates.crt", bundle)
    yield entries.link("usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt")
    yield entries.link("usr/lib/ssl/certs", "/etc/ssl/certs")
    yield entries.file("etc/passwd", _PASSWD.encode())
    yield entries.file("etc/group", _GROUP.encode())
    yield entries.file("etc/nsswitch.conf", _NSSWITCH.encode())
    yield entries.link("usr/bin/sh", "dash")
    yield entries.link("usr/bin/python3", f"python{PYTHON_VERSION}")
    yield entries.link("usr/bin/python", "python3")
    for tool in _TOOLS.split():
        yield entries.link(f"usr/bin/{tool}", "busybox")
    for mount_point in ("etc/hosts", "etc/resolv.conf", "etc/hostname"):
        yield entries.file(mount_point, b"")
    for folder in (
        "dev",
        "mnt",
        "opt",
        "proc",
        "run",
        "sys",
        "usr/local/bin",
        SITE_PACKAGES,
        "etc/ssl/certs",
    ):
        yield from entries.directories_to(folder)
    yield entries.directory("tmp", 0o1777)
