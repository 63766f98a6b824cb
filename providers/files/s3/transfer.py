"""Writing and reading one object in S3."""

import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from llama_stack.log import get_logger

from providers.files.config import S3FilesConfig
from providers.files.errors import ObjectMissing, StorageError
from providers.files.s3.problems import error_code, storage_errors

log = get_logger(name=__name__, category="files")

# The smallest part that S3 takes: an upload holds two of them in memory.
PART_BYTES = 5 << 20

_MISSING = frozenset({"NoSuchKey", "404"})
_TOO_SHORT = frozenset({"InvalidRange", "416"})
_FIRST_PAUSE_SECS = 0.5

Place = dict[str, str]


class BucketWriter:
    """A multipart upload, or a single request for what fits in one part."""

    def __init__(self, client: Any, config: S3FilesConfig, place: Place, encryption: dict[str, str]) -> None:
        self._client = client
        self._config = config
        self._place = place
        self._encryption = encryption
        self._upload_id: str | None = None
        self._parts: list[dict[str, object]] = []
        self._only_block: bytes | bytearray = b""
        self._size = 0

    def write(self, block: bytes | bytearray) -> None:
        """Send a part."""
        self._size += len(block)
        if not self._parts and len(block) < PART_BYTES:
            self._only_block = block
            return
        with storage_errors(self._config, "s3:PutObject"):
            if self._upload_id is None:
                begun = self._client.create_multipart_upload(**self._place, **self._encryption)
                self._upload_id = begun["UploadId"]
            number = len(self._parts) + 1
            sent = self._client.upload_part(**self._place, UploadId=self._upload_id, PartNumber=number, Body=block)
            self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    def commit(self) -> None:
        """Complete the object."""
        with storage_errors(self._config, "s3:PutObject"):
            if self._upload_id is None:
                self._client.put_object(**self._place, **self._encryption, Body=self._only_block)
                return
            try:
                self._client.complete_multipart_upload(
                    **self._place, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
                )
            except ClientError as error:
                if error_code(error) != "NoSuchUpload" or not self._is_complete():
                    raise

    def _is_complete(self) -> bool:
        """Whether a first request has done it, whose answer was lost."""
        try:
            return bool(self._client.head_object(**self._place)["ContentLength"] == self._size)
        except ClientError:
            return False

    def abort(self) -> None:
        """Remove the parts; what is left over goes with the sweep."""
        if self._upload_id is None:
            return
        try:
            self._client.abort_multipart_upload(**self._place, UploadId=self._upload_id)
        except (BotoCoreError, ClientError) as error:
            log.debug(f"The upload of '{self._place['Key']}' cannot be aborted: {error}")


class BucketReader:
    """A stretch of an object; a connection that breaks is made anew where it broke."""

    def __init__(self, client: Any, config: S3FilesConfig, place: Place, start: int, stop: int) -> None:
        self._client = client
        self._config = config
        self._place = place
        self._position = start
        self._stop = stop
        self._condition: dict[str, str] = {}
        self._body: Any = None
        self.object_bytes = self._connect()

    def read(self, count: int) -> bytes:
        """Return what comes next; raises ``StorageError`` after the configured number of attempts.

        Nothing comes of an object that has become too short.
        """
        for attempt in range(1, self._config.max_attempts + 1):
            try:
                if self._body is None:
                    self._connect()
                wanted = min(count, self._stop - self._position)
                block: bytes = b"" if self._body is None else self._body.read(wanted)
            except (BotoCoreError, StorageError) as error:
                self.close()
                if attempt == self._config.max_attempts:
                    raise StorageError(f"Reading '{self._place['Key']}' broke off: {error}") from error
                time.sleep(_FIRST_PAUSE_SECS * 2 ** (attempt - 1))
            else:
                self._position += len(block)
                return block
        raise AssertionError("max_attempts is at least one")

    def close(self) -> None:
        """Close the connection."""
        if self._body is not None:
            self._body.close()
            self._body = None

    def _connect(self) -> int:
        """Ask for the rest of the stretch, and return the length of the whole object."""
        span = {"Range": f"bytes={self._position}-{self._stop - 1}"} if self._position or self._stop else {}
        with storage_errors(self._config, "s3:GetObject"):
            try:
                answer = self._client.get_object(**self._place, **self._condition, **span)
            except ClientError as error:
                if error_code(error) in _MISSING:
                    raise ObjectMissing(self._place["Key"]) from error
                if error_code(error) in _TOO_SHORT:
                    return 0
                raise
        self._condition = {"IfMatch": answer["ETag"]}
        self._body = answer["Body"]
        content_range = answer.get("ContentRange")
        return int(content_range.rpartition("/")[2]) if content_range else int(answer["ContentLength"])
