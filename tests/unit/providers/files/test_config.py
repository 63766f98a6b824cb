"""What a run config may say to the files providers."""

from typing import Any

import pytest
from pydantic import ValidationError

from providers.files.config import LocalFilesConfig, S3FilesConfig

METADATA = {"backend": "sql_default", "table_name": "files_metadata"}
S3 = {"bucket_name": "b", "metadata_store": METADATA}
KEY = {"aws_access_key_id": "id", "aws_secret_access_key": "s3cr3t"}


@pytest.mark.parametrize("name", ["files", "_f", "Files_2", "f" * 50])
def test_a_plain_table_name_is_taken(name: str) -> None:
    config = LocalFilesConfig.model_validate({"storage_dir": "/d", "metadata_store": {**METADATA, "table_name": name}})
    assert config.metadata_store.table_name == name


@pytest.mark.parametrize("name", ["", "2files", "a-b", 'a"b', "a b", "größe", "files\n", "f" * 51])
def test_another_table_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=r"use a letter or underscore first.*50 at most"):
        LocalFilesConfig.model_validate({"storage_dir": "/d", "metadata_store": {**METADATA, "table_name": name}})


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("", ""), (None, ""), ("team-a", "team-a/"), ("team-a/", "team-a/"), ("/a/b//", "a/b/"), ("/", "")],
)
def test_a_key_prefix_is_a_folder(prefix: str | None, expected: str) -> None:
    assert S3FilesConfig.model_validate({**S3, "key_prefix": prefix}).key_prefix == expected


@pytest.mark.parametrize(
    "field",
    [
        "endpoint_url",
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "server_side_encryption",
        "kms_key_id",
    ],
)
def test_an_empty_variable_says_nothing(field: str) -> None:
    assert getattr(S3FilesConfig.model_validate({**S3, field: ""}), field) is None


@pytest.mark.parametrize(
    "options",
    [
        KEY,
        {**KEY, "aws_session_token": "t"},
        {"server_side_encryption": "AES256"},
        {"server_side_encryption": "aws:kms", "kms_key_id": "k"},
        {"server_side_encryption": "aws:kms:dsse", "kms_key_id": "k"},
        {"endpoint_url": "http://s3:9000"},
        {"verify": "/ca.pem"},
        {"verify": False},
        {"max_file_bytes": 1, "ttl_secs": 3600, "scrub_days": 0.5},
    ],
)
def test_options_that_go_together(options: dict[str, Any]) -> None:
    config = S3FilesConfig.model_validate(S3 | options)

    assert {name: value for name, value in _revealed(config).items() if name in options} == options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aws_access_key_id": "id"}, "aws_access_key_id and aws_secret_access_key: give both or neither"),
        ({"aws_secret_access_key": "s3cr3t"}, "give both or neither"),
        ({**KEY, "aws_secret_access_key": ""}, "give both or neither"),
        ({"aws_session_token": "s3cr3t"}, "aws_session_token belongs to an aws_access_key_id"),
        ({"kms_key_id": "k"}, "kms_key_id needs server_side_encryption: aws:kms"),
        ({"kms_key_id": "k", "server_side_encryption": "AES256"}, "kms_key_id needs server_side_encryption"),
        ({"endpoint_url": "s3:9000"}, "'s3:9000' has to start with http:// or https://"),
        ({"bucket": "b"}, "Extra inputs are not permitted"),
        ({"max_file_bytes": 0}, "greater than 0"),
        ({"max_attempts": 0}, "greater than 0"),
        ({"sweep_interval_secs": 0}, "greater than 0"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as raised:
        S3FilesConfig.model_validate(S3 | options)
    assert message in str(raised.value)
    assert "s3cr3t" not in "".join(error["msg"] for error in raised.value.errors())


def test_secrets_are_not_shown() -> None:
    config = S3FilesConfig.model_validate({**S3, **KEY, "aws_session_token": "s3cr3t"})

    assert "s3cr3t" not in f"{config!r} {config.model_dump_json()}"


def _revealed(config: S3FilesConfig) -> dict[str, Any]:
    return {
        name: value.get_secret_value() if hasattr(value, "get_secret_value") else value
        for name, value in dict(config).items()
    }
