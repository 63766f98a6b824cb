"""Where the providers keep contents, seen from outside: what a test may look into and spoil."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import boto3
from botocore.config import Config

from tests.support.s3 import S3Server


class Place(Protocol):
    """A directory or a bucket."""

    @property
    def provider_type(self) -> str:
        """The provider that keeps its contents here."""

    @property
    def upstream_type(self) -> str:
        """llama-stack's own provider for such a place."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Both providers' config, but for ``metadata_store``."""

    def objects(self) -> set[str]:
        """The ids of the files whose content is here."""

    def unfinished(self) -> set[str]:
        """What is here of contents that are not complete."""

    def overwrite(self, file_id: str, content: bytes) -> None:
        """Change a content behind the provider's back."""

    def lose(self, file_id: str) -> None:
        """Remove a content behind the provider's back."""


@dataclass(frozen=True)
class LocalPlace:
    """A directory."""

    directory: Path
    provider_type: str = "inline::files"
    upstream_type: str = "inline::localfs"

    @property
    def config(self) -> Mapping[str, Any]:
        """The directory."""
        return {"storage_dir": str(self.directory)}

    def objects(self) -> set[str]:
        """The files in it."""
        return {path.name for path in self.directory.iterdir() if path.is_file()}

    def unfinished(self) -> set[str]:
        """The files below it."""
        return {path.name for path in self.directory.glob(".*/*")}

    def overwrite(self, file_id: str, content: bytes) -> None:
        """Write a file."""
        (self.directory / file_id).write_bytes(content)

    def lose(self, file_id: str) -> None:
        """Remove a file."""
        (self.directory / file_id).unlink()


@dataclass(frozen=True)
class S3Place:
    """A bucket of its own."""

    server: S3Server
    bucket: str = field(default_factory=lambda: f"files-{uuid4().hex}")
    prefix: str = ""
    provider_type: str = "remote::s3-files"
    upstream_type: str = "remote::s3"

    @property
    def config(self) -> Mapping[str, Any]:
        """The bucket and the account."""
        return {
            "bucket_name": self.bucket,
            "auto_create_bucket": True,
            "endpoint_url": self.server.endpoint,
            "region": self.server.region,
            "aws_access_key_id": self.server.access_key,
            "aws_secret_access_key": self.server.secret_key,
        }

    @property
    def client(self) -> Any:
        """An S3 client."""
        session: Any = boto3.session.Session()
        return session.client(
            "s3",
            endpoint_url=self.server.endpoint,
            region_name=self.server.region,
            aws_access_key_id=self.server.access_key,
            aws_secret_access_key=self.server.secret_key,
            config=Config(request_checksum_calculation="when_required", s3={"addressing_style": "path"}),
        )

    def objects(self) -> set[str]:
        """The keys below the prefix, without it."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
        return {entry["Key"].removeprefix(self.prefix) for page in pages for entry in page.get("Contents", ())}

    def unfinished(self) -> set[str]:
        """The keys of multipart uploads."""
        uploads = self.client.list_multipart_uploads(Bucket=self.bucket)
        return {upload["Key"] for upload in uploads.get("Uploads", ())}

    def overwrite(self, file_id: str, content: bytes) -> None:
        """Put an object."""
        self.client.put_object(Bucket=self.bucket, Key=self.prefix + file_id, Body=content)

    def lose(self, file_id: str) -> None:
        """Delete an object."""
        self.client.delete_object(Bucket=self.bucket, Key=self.prefix + file_id)
