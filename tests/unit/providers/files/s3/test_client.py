"""The S3 client that a config asks for."""

from pathlib import Path
from typing import Any

import pytest

from providers.files.config import S3FilesConfig
from providers.files.errors import StorageError
from providers.files.s3.client import connect, connect_impatiently

METADATA = {"backend": "sql_default", "table_name": "files_metadata"}


def config(**options: Any) -> S3FilesConfig:
    """A config with these options."""
    # Without credentials boto3 asks the network for some.
    credentials = {"aws_access_key_id": "id", "aws_secret_access_key": "for-tests-only"}
    return S3FilesConfig.model_validate({"bucket_name": "b", "metadata_store": METADATA, **credentials, **options})


def test_a_client_is_as_patient_as_the_config_says() -> None:
    settings = config(connect_timeout_secs=3, read_timeout_secs=4, max_attempts=7, addressing_style="path")

    client = connect(settings)
    assert client.meta.region_name == "us-east-1"
    assert (client.meta.config.connect_timeout, client.meta.config.read_timeout) == (3, 4)
    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 7}
    assert client.meta.config.s3 == {"addressing_style": "path"}
    impatient = connect_impatiently(settings, 2)
    assert (impatient.meta.config.connect_timeout, impatient.meta.config.read_timeout) == (2, 2)
    assert impatient.meta.config.retries == {"mode": "standard", "total_max_attempts": 1}


@pytest.mark.parametrize(("endpoint_url", "checksums"), [(None, "when_supported"), ("http://s3:9000", "when_required")])
def test_only_aws_gets_the_newer_checksums(endpoint_url: str | None, checksums: str) -> None:
    settings = connect(config(endpoint_url=endpoint_url)).meta.config

    assert (settings.request_checksum_calculation, settings.response_checksum_validation) == (checksums, checksums)


def test_a_ca_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=f"There is no file {tmp_path}/ca.pem, which verify names"):
        connect(config(verify=str(tmp_path / "ca.pem")))
