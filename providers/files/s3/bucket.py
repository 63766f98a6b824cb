"""Objects in an S3 bucket."""

import time
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError
from llama_stack.log import get_logger

from providers.files.config import S3FilesConfig
from providers.files.s3.client import connect, connect_impatiently
from providers.files.s3.problems import DENIED, NO_SUCH_BUCKET, error_code, storage_errors
from providers.files.s3.transfer import PART_BYTES, BucketReader, BucketWriter

log = get_logger(name=__name__, category="files")

_MAX_PARTS = 10_000
_CHECK_SECS = 2
_PROBE = ".llama-stack-files-probe"
_NO_LOCATION_REGION = "us-east-1"
_BUCKET_EXISTS = frozenset({"BucketAlreadyExists", "BucketAlreadyOwnedByYou"})


class Bucket:
    """An object is an object under the prefix; one in the making is a multipart upload."""

    block_bytes = PART_BYTES
    max_object_bytes = PART_BYTES * _MAX_PARTS

    def __init__(self, config: S3FilesConfig) -> None:
        self._config = config
        self._client: Any = None
        self._impatient_client: Any = None

    def prepare(self) -> None:
        """Connect, and do once what will be done all the time: list, write, read, delete."""
        with storage_errors(self._config, "s3:ListBucket"):
            self._client = connect(self._config)
            self._impatient_client = connect_impatiently(self._config, _CHECK_SECS)
            self._require_bucket()
        probe = self._place(f"{_PROBE}-{time.time_ns()}")
        with storage_errors(self._config, "s3:PutObject"):
            self._client.put_object(**probe, **self._encryption(), Body=b"probe")
        with storage_errors(self._config, "s3:GetObject"):
            self._client.get_object(**probe)["Body"].read()
        with storage_errors(self._config, "s3:DeleteObject"):
            self._delete(probe)

    def check(self) -> None:
        """Look into the bucket."""
        with storage_errors(self._config, "s3:ListBucket"):
            self._look(self._impatient_client)

    def create(self, key: str) -> BucketWriter:
        """Begin an object."""
        return BucketWriter(self._client, self._config, self._place(key), self._encryption())

    def open(self, key: str, start: int, stop: int) -> BucketReader:
        """Ask for an object."""
        return BucketReader(self._client, self._config, self._place(key), start, stop)

    def delete(self, key: str) -> None:
        """Remove an object, in a versioned bucket with all its versions if that is allowed."""
        with storage_errors(self._config, "s3:DeleteObject"):
            self._delete(self._place(key))

    def discard(self, key: str) -> None:
        """Remove an object, and the parts of one that is not complete."""
        place = self._place(key)
        with storage_errors(self._config, "s3:AbortMultipartUpload"):
            for upload_id in self._unfinished(place):
                self._client.abort_multipart_upload(**place, UploadId=upload_id)
        self.delete(key)

    def keys(self) -> Iterator[str]:
        """List the bucket below the prefix."""
        prefix = self._config.key_prefix
        with storage_errors(self._config, "s3:ListBucket"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._config.bucket_name, Prefix=f"{prefix}file-"
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield entry["Key"].removeprefix(prefix)

    def _place(self, key: str) -> dict[str, str]:
        return {"Bucket": self._config.bucket_name, "Key": f"{self._config.key_prefix}{key}"}

    def _encryption(self) -> dict[str, str]:
        config = self._config
        options = {"ServerSideEncryption": config.server_side_encryption, "SSEKMSKeyId": config.kms_key_id}
        return {name: value for name, value in options.items() if value}

    def _look(self, client: Any) -> None:
        """Unlike a HEAD request this one is answered with a reason."""
        client.list_objects_v2(Bucket=self._config.bucket_name, Prefix=self._config.key_prefix, MaxKeys=1)

    def _require_bucket(self) -> None:
        try:
            self._look(self._client)
        except ClientError as error:
            if error_code(error) != NO_SUCH_BUCKET or not self._config.auto_create_bucket:
                raise
            self._create_bucket()

    def _create_bucket(self) -> None:
        place: dict[str, Any] = {"Bucket": self._config.bucket_name}
        if self._config.region != _NO_LOCATION_REGION:
            place["CreateBucketConfiguration"] = {"LocationConstraint": self._config.region}
        with storage_errors(self._config, "s3:CreateBucket"):
            try:
                self._client.create_bucket(**place)
            except ClientError as error:
                if error_code(error) not in _BUCKET_EXISTS:  # Another replica was faster.
                    raise
        log.info(f"Made the bucket '{self._config.bucket_name}'")

    def _delete(self, place: dict[str, str]) -> None:
        removed = self._client.delete_object(**place)
        if not removed.get("VersionId"):
            return
        # The bucket is versioned and the content only hidden. Whoever wants to keep old versions does not grant
        # the permission to remove them.
        try:
            for version_id in self._versions(place):
                self._client.delete_object(**place, VersionId=version_id)
        except ClientError as error:
            if error_code(error) not in DENIED:
                raise
            log.debug(f"Old versions of '{place['Key']}' stay: {error}")

    def _versions(self, place: dict[str, str]) -> list[str]:
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=place["Bucket"], Prefix=place["Key"])
        return [
            entry["VersionId"]
            for page in pages
            for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
            if entry["Key"] == place["Key"]
        ]

    def _unfinished(self, place: dict[str, str]) -> list[str]:
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=place["Bucket"], Prefix=place["Key"]
        )
        try:
            return [
                entry["UploadId"] for page in pages for entry in page.get("Uploads", ()) if entry["Key"] == place["Key"]
            ]
        except ClientError as error:
            if error_code(error) not in DENIED:
                raise
            log.warning(
                f"Without s3:ListBucketMultipartUploads the parts of interrupted uploads stay in bucket "
                f"'{place['Bucket']}'; grant it, or have a lifecycle rule abort incomplete uploads."
            )
            return []
