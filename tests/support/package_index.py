"""A package index on the loopback: a few wheels made here, served as PEP 503 says, over TLS if a CA is given.

A package of which a wheel has a time of upload is served as PEP 691 and PEP 700 say.
"""

import base64
import hashlib
import io
import json
import ssl
import stat
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import urlsplit

import trustme

from tests.support import http_server
from tests.support.process import LOOPBACK


@dataclass(frozen=True)
class Wheel:
    """A pure Python wheel."""

    name: str
    version: str
    content: bytes = field(repr=False)
    uploaded: datetime | None = None

    @property
    def file_name(self) -> str:
        """As an index lists it."""
        return f"{self.name}-{self.version}-py3-none-any.whl"

    @cached_property
    def sha256(self) -> str:
        """Of the file."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def pin(self) -> str:
        """Its line in a lock."""
        return f"{self.name}=={self.version} \\\n    --hash=sha256:{self.sha256}\n"

    @property
    def described(self) -> dict[str, object]:
        """As the JSON of an index has it."""
        described = {"filename": self.file_name, "url": f"/files/{self.file_name}", "hashes": {"sha256": self.sha256}}
        if self.uploaded:
            described["upload-time"] = self.uploaded.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {**described, "size": len(self.content)}


def wheel(
    name: str, version: str = "1.0", programs: Mapping[str, bytes] | None = None, uploaded: datetime | None = None
) -> Wheel:
    """A wheel with one module, a program of the same name that prints the version, and `programs` as they are."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"def main():\n    print({version!r})\n".encode(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if programs is None:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{name} = {name}:main\n".encode()
    files |= {f"{name}-{version}.data/scripts/{program}": content for program, content in (programs or {}).items()}
    rows = [f"{path},sha256={_digest(content)},{len(content)}\n" for path, content in files.items()]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in {**files, f"{info}/RECORD": "".join([*rows, f"{info}/RECORD,,\n"]).encode()}.items():
            member = zipfile.ZipInfo(path)
            member.external_attr = (stat.S_IFREG | 0o755) << 16
            archive.writestr(member, content)
    return Wheel(name, version, buffer.getvalue(), uploaded)


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _page(name: str, wheels: list[Wheel]) -> tuple[str, bytes]:
    """The page of a package and its media type."""
    if any(item.uploaded for item in wheels):
        page = {
            "meta": {"api-version": "1.1"},
            "name": name,
            "versions": [item.version for item in wheels],
            "files": [item.described for item in wheels],
        }
        return "application/vnd.pypi.simple.v1+json", json.dumps(page).encode()
    links = [f'<a href="/files/{item.file_name}#sha256={item.sha256}">{item.file_name}</a>' for item in wheels]
    return "text/html", "\n".join(["<!DOCTYPE html>", *links]).encode()


@dataclass
class Index:
    """A running index. It is an HTTP proxy too, for any host: what counts is the path."""

    address: str
    """Of the folder that clients ask for a package's name."""
    server: str
    """Of the server: scheme, host and port."""
    requests: list[str] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)
    """Set by the first request."""
    answers: threading.Event = field(default_factory=threading.Event)
    """Requests wait for this; it is set from the start."""


@contextmanager
def serve(*wheels: Wheel, authority: trustme.CA | None = None) -> Iterator[Index]:
    """Serve the wheels until the block ends."""
    files = {f"/files/{item.file_name}": item.content for item in wheels}
    kinds = dict.fromkeys(files, "application/octet-stream")
    for name in {item.name for item in wheels}:
        kinds[f"/simple/{name}/"], files[f"/simple/{name}/"] = _page(name, [w for w in wheels if w.name == name])
    index = Index("", "")
    index.answers.set()

    class Answer(http_server.Handler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            index.requests.append(path)
            index.asked.set()
            index.answers.wait()
            content = files.get(path)
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Type", kinds.get(path, "text/html"))
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        do_HEAD = do_GET

    tls = None
    if authority:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(tls)  # pip 24.2 does not get along with a number
    with http_server.serving(Answer, tls=tls) as port:
        index.server = f"https://localhost:{port}" if tls else f"http://{LOOPBACK}:{port}"
        index.address = f"{index.server}/simple"
        try:
            yield index
        finally:
            index.answers.set()
