"""What a run config says to the files providers.

The options that llama-stack's own ``inline::localfs`` and ``remote::s3`` have keep their names here, so that
to switch is to change ``provider_type``.
"""

import re
from typing import Annotated, Any, Literal, Self

from llama_stack.core.storage.datatypes import SqlStoreReference
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
    model_validator,
)

from providers.config_traits import ServiceUrl, WrittenDirectory

# PostgreSQL cuts identifiers off at 63 bytes, and the names of indexes and of the journal are made from it.
_TABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,49}")


class FilesConfig(BaseModel):
    """What both providers are told."""

    model_config = ConfigDict(extra="forbid")

    metadata_store: SqlStoreReference = Field(
        description="SQL backend and table for what is known about files; each provider has its own table",
    )
    max_file_bytes: PositiveInt | None = Field(
        default=512 << 20,
        description="Refuse larger files with status 413 (default: 512 MiB, as with OpenAI; null: any size)",
    )
    ttl_secs: PositiveInt | None = Field(
        default=None,
        description="Remove files after this time unless the upload names another one (default: keep them; those "
        "of purpose `batch` go after 30 days, as with OpenAI)",
    )
    scrub_days: PositiveFloat | None = Field(
        default=None,
        description="Read every file this often and compare its SHA-256 (default: only when it is downloaded)",
    )
    sweep_interval_secs: PositiveFloat = Field(
        default=60,
        description="How often to remove expired files and what interrupted uploads and deletes left",
    )
    abandoned_after_secs: PositiveFloat = Field(
        default=900,
        description="An upload whose server has not been heard of for this long was interrupted",
    )

    @field_validator("metadata_store")
    @classmethod
    def _table_name_is_plain(cls, reference: SqlStoreReference) -> SqlStoreReference:
        if not _TABLE_NAME.fullmatch(reference.table_name):
            raise ValueError(
                f"table_name {reference.table_name!r}: use a letter or underscore first, then letters, digits "
                "and underscores, 50 at most"
            )
        return reference


class LocalFilesConfig(FilesConfig):
    """Files on a local disk."""

    storage_dir: Annotated[str, WrittenDirectory()] = Field(
        description="Directory of the contents, the same for all replicas; it is made if need be",
    )

    @classmethod
    def sample_run_config(cls, __distro_dir__: str) -> dict[str, Any]:
        """Return the config that llama-stack's templates would use."""
        return {
            "storage_dir": "${env.FILES_STORAGE_DIR:=" + __distro_dir__ + "/files}",
            "max_file_bytes": "${env.FILES_MAX_BYTES:=536870912}",
            "metadata_store": {"backend": "sql_default", "table_name": "files_metadata"},
        }


class S3FilesConfig(FilesConfig):
    """Files in a bucket."""

    bucket_name: str = Field(description="Bucket of the contents")
    key_prefix: str = Field(default="", description="Put before each object's key, as in `team-a/`")
    auto_create_bucket: bool = Field(default=False, description="Make the bucket if there is none")
    region: str = Field(default="us-east-1", description="Region of the bucket")
    endpoint_url: Annotated[str | None, ServiceUrl()] = Field(
        default=None,
        description="Address of an S3 server other than AWS",
    )
    addressing_style: Literal["auto", "path", "virtual"] = Field(
        default="auto",
        description="Whether the bucket is named in the path or in the host name",
    )
    verify: bool | str = Field(
        default=True,
        description="Whether to verify TLS certificates: true, false, or a file of CA certificates to trust",
    )
    aws_access_key_id: str | None = Field(
        default=None,
        description="Access key; without one boto3 looks for credentials in the environment, shared files, a web "
        "identity token (IRSA), the container and the instance",
    )
    aws_secret_access_key: SecretStr | None = Field(default=None, description="Secret of the access key")
    aws_session_token: SecretStr | None = Field(default=None, description="Session token of temporary credentials")
    server_side_encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        default=None,
        description="Encryption to ask for; without it the bucket's default applies",
    )
    kms_key_id: str | None = Field(default=None, description="KMS key for `aws:kms`, if not the account's own")
    connect_timeout_secs: PositiveFloat = Field(default=5, description="Wait so long for a connection")
    read_timeout_secs: PositiveFloat = Field(default=60, description="Wait so long for an answer")
    max_attempts: PositiveInt = Field(
        default=5,
        description="Try a request so often before it fails; the pause doubles each time",
    )

    @field_validator(
        "endpoint_url",
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "server_side_encryption",
        "kms_key_id",
        mode="before",
    )
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

    @field_validator("key_prefix", mode="before")
    @classmethod
    def _prefix_is_a_folder(cls, prefix: str | None) -> str:
        folder = str(prefix or "").strip("/")
        return f"{folder}/" if folder else ""

    @field_validator("endpoint_url")
    @classmethod
    def _endpoint_is_a_url(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError(f"endpoint_url {url!r} has to start with http:// or https://")
        return url

    @model_validator(mode="after")
    def _options_go_together(self) -> Self:
        if bool(self.aws_access_key_id) != bool(self.aws_secret_access_key):
            raise ValueError("aws_access_key_id and aws_secret_access_key: give both or neither")
        if self.aws_session_token and not self.aws_access_key_id:
            raise ValueError("aws_session_token belongs to an aws_access_key_id, which is not given")
        if self.kms_key_id and self.server_side_encryption in (None, "AES256"):
            raise ValueError("kms_key_id needs server_side_encryption: aws:kms")
        return self

    @classmethod
    def sample_run_config(cls, __distro_dir__: str) -> dict[str, Any]:
        """Return the config that llama-stack's templates would use."""
        return {
            "bucket_name": "${env.S3_BUCKET_NAME}",
            "region": "${env.AWS_REGION:=us-east-1}",
            "aws_access_key_id": "${env.AWS_ACCESS_KEY_ID:=}",
            "aws_secret_access_key": "${env.AWS_SECRET_ACCESS_KEY:=}",
            "endpoint_url": "${env.S3_ENDPOINT_URL:=}",
            "auto_create_bucket": "${env.S3_AUTO_CREATE_BUCKET:=false}",
            "max_file_bytes": "${env.FILES_MAX_BYTES:=536870912}",
            "metadata_store": {"backend": "sql_default", "table_name": "s3_files_metadata"},
        }
