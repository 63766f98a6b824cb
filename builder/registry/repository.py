"""One repository of a registry, by the OCI distribution protocol: blobs and manifests, there and back."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event
from urllib.parse import urlencode, urljoin

import requests

from builder.errors import KitError, UnreachableError
from builder.image import oci
from builder.image.written import Blob
from builder.progress import megabytes
from builder.registry.connection import Connection, reason_given

ATTEMPTS = 5
"""How often the upload of a blob may break off before the push gives up."""

_BUSY = (408, 429, 500, 502, 503, 504)
_LOST = (401, 404, 416)
"""What an upload under way may meet: its token has expired, or the registry has forgotten it."""
_PASSING = (requests.ConnectionError, requests.Timeout, requests.exceptions.RetryError)
_BLOCK = 2**20


@dataclass(frozen=True)
class Transfer:
    """The upload of one blob, as its caller sees it."""

    report: Callable[[int], None]
    """Called with the bytes that are on their way."""
    stop: Event
    """Set by the caller to break off."""


class Repository:
    """A repository that is reached by a connection. Threads may share it."""

    def __init__(self, connection: Connection, name: str) -> None:
        self.connection = connection
        self.name = name
        self._root = f"/v2/{name}/"

    def __str__(self) -> str:
        return f"{self.connection.host}/{self.name}"

    def has_blob(self, digest: str) -> bool:
        """Whether the blob is there already."""
        response = self.connection.request("HEAD", f"{self._root}blobs/{digest}")
        if response.status_code not in (200, 404):
            raise self.connection.refused(response, f"to look into {self.name}")
        return response.status_code == 200

    def mount(self, digest: str, repository: str) -> bool:
        """Take a blob from another repository of the registry; False if it cannot be had that way."""
        query = urlencode({"mount": digest, "from": repository})
        try:
            response = self.connection.request("POST", f"{self._root}blobs/uploads/?{query}")
        except UnreachableError:  # this account may not look into the other repository
            return False
        if response.status_code == 202:  # an upload was begun instead, and is not needed
            self.connection.request("DELETE", urljoin(response.url, response.headers.get("Location", "")))
        return response.status_code == 201

    def upload(self, blob: Blob, transfer: Transfer) -> None:
        """Send a blob, anew if that breaks off: few registries let an upload go on in its middle.

        Raises UnreachableError if the registry refuses it, or when it broke off too often.
        """
        failures = 0
        while not (failures and self._arrived(blob)):
            try:
                self._finish(self._send(self._begin(), blob, transfer), blob)
                return
            except _Broken as broken:
                failures += 1
                if failures == ATTEMPTS:
                    raise UnreachableError(
                        f"{self}: the upload of {blob.name} ({megabytes(blob.size)}) broke off {failures} times, "
                        f"at last with: {broken}",
                        "push again when the registry is up; what it has already is not sent twice",
                    ) from broken
                if transfer.stop.wait(0.5 * 2 ** (failures - 1)):
                    raise

    def put_manifest(self, reference: str, media_type: str, content: bytes) -> None:
        """Store a manifest or index under a tag or its digest, and check that it arrived as it left."""
        response = self.connection.request(
            "PUT", f"{self._root}manifests/{reference}", headers={"Content-Type": media_type}, body=content
        )
        if response.status_code not in (201, 202):
            raise self.connection.refused(response, f"the manifest {self.name}:{reference}")
        expected = "sha256:" + hashlib.sha256(content).hexdigest()
        if (stored := response.headers.get("Docker-Content-Digest", expected)) != expected:
            raise KitError(f"{self.connection.host} stored {self.name}:{reference} as {stored} instead of {expected}")

    def manifest(self, reference: str) -> tuple[str, bytes]:
        """The media type and the bytes of a manifest or index."""
        accepted = ", ".join([oci.INDEX, oci.MANIFEST, oci.DOCKER_INDEX, oci.DOCKER_MANIFEST])
        response = self.connection.request("GET", f"{self._root}manifests/{reference}", headers={"Accept": accepted})
        if response.status_code != 200:
            raise self.connection.refused(response, f"to give {self.name}:{reference}")
        content = response.content
        if reference.startswith("sha256:"):
            _check(reference, hashlib.sha256(content).hexdigest(), self)
        return response.headers.get("Content-Type", "").partition(";")[0], content

    def blob(self, digest: str) -> Iterator[bytes]:
        """The bytes of a blob. Raises KitError at their end if they are others than the digest says."""
        response = self.connection.request("GET", f"{self._root}blobs/{digest}", stream=True)
        if response.status_code != 200:
            raise self.connection.refused(response, f"to give a layer of {self.name}")
        found = hashlib.sha256()
        try:
            for block in response.iter_content(_BLOCK):
                found.update(block)
                yield block
        except requests.RequestException as error:
            raise UnreachableError(f"{self}: a layer arrived in part: {error}", "try again") from error
        _check(digest, found.hexdigest(), self)

    def _begin(self) -> str:
        response = self._attempt("POST", f"{self._root}blobs/uploads/")
        if response.status_code != 202 or "Location" not in response.headers:
            raise self.connection.refused(response, f"an upload to {self.name}")
        return urljoin(response.url, response.headers["Location"])

    def _send(self, place: str, blob: Blob, transfer: Transfer) -> str:
        headers = {"Content-Type": "application/octet-stream"}
        with blob.file.open("rb") as stream:
            stream.seek(blob.offset)
            response = self._attempt("PATCH", place, _Body(stream, blob.size, transfer), headers)
        if response.status_code not in (202, 204):
            raise self.connection.refused(response, f"the layer {blob.name}")
        return urljoin(response.url, response.headers.get("Location", place))

    def _finish(self, place: str, blob: Blob) -> None:
        joint = "&" if "?" in place else "?"
        response = self._attempt("PUT", f"{place}{joint}{urlencode({'digest': blob.digest})}", b"")
        if response.status_code not in (201, 204):
            raise self.connection.refused(
                response, f"the layer {blob.name}", "if its digest is said to be wrong, build again"
            )

    def _arrived(self, blob: Blob) -> bool:
        """Whether a blob is there although its upload seemed to break off."""
        try:
            return self.has_blob(blob.digest)
        except UnreachableError:
            return False  # the next attempt will say so

    def _attempt(
        self, method: str, address: str, body: "_Body | bytes | None" = None, headers: dict[str, str] | None = None
    ) -> requests.Response:
        """One request of an upload; what a later try may mend is `_Broken`."""
        try:
            response = self.connection.request(method, address, headers=headers, body=body)
        except UnreachableError as error:
            if not isinstance(error.__cause__, _PASSING) or isinstance(error.__cause__, requests.exceptions.SSLError):
                raise
            raise _Broken(error.message, error.advice) from error
        if response.status_code in (_BUSY if body is None else _BUSY + _LOST):
            raise _Broken(reason_given(response))
        return response


class _Broken(UnreachableError):
    """An upload that broke off."""


class _Body:
    """A stretch of a file as the body of a request, that reports how much of it has been read."""

    def __init__(self, stream: io.BufferedReader, size: int, transfer: Transfer) -> None:
        self._stream, self._size, self._transfer = stream, size, transfer
        self._read = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:  # requests takes it for a stream, and reads
        return iter(lambda: self.read(_BLOCK), b"")

    def read(self, count: int = -1) -> bytes:
        if self._transfer.stop.is_set():
            raise InterruptedError("broken off")
        left = self._size - self._read
        block = self._stream.read(left if count < 0 else min(count, left))
        self._read += len(block)
        self._transfer.report(self._read)
        return block


def _check(digest: str, found: str, repository: Repository) -> None:
    if digest != f"sha256:{found}":
        raise KitError(
            f"{repository} gave other bytes than the digest names\n  expected {digest}\n  received sha256:{found}",
            "the registry or a proxy on the way changed them; do not use them",
        )
