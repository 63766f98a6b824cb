"""What is said when an S3 provider cannot start."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from llama_stack.core.storage.datatypes import SqlStoreReference
from pydantic import ValidationError

from providers.files.config import S3FilesConfig
from providers.files.errors import StorageError
from providers.files.provider import FilesProvider
from providers.files.s3 import get_provider_impl
from tests.integration.files.places import S3Place
from tests.integration.files.relay import relay_to
from tests.integration.files.serving import Home
from tests.support import loopback_site
from tests.support.process import LOOPBACK, StartError, free_port
from tests.support.run_configs import sqlite_sql
from tests.support.s3 import READER_ACCESS_KEY, READER_SECRET_KEY, S3Server

pytestmark = pytest.mark.usefixtures("registered_backend")


@pytest.fixture(scope="module")
def place(s3_server: S3Server) -> S3Place:
    """A bucket."""
    place = S3Place(s3_server)
    place.client.create_bucket(Bucket=place.bucket)
    return place


def start(place: S3Place, **options: Any) -> FilesProvider:
    """Make a provider as llama-stack does."""
    metadata = SqlStoreReference(backend="sql_default", table_name="files_metadata")
    config = {**place.config, "auto_create_bucket": False, "max_attempts": 1, **options}
    return asyncio.run(get_provider_impl(S3FilesConfig(metadata_store=metadata, **config), {}, []))


def failure(place: S3Place, **options: Any) -> tuple[str, str]:
    """What is wrong, and what to do."""
    with pytest.raises(StorageError) as error:
        start(place, **options)
    return str(error.value), " ".join(error.value.__notes__)


def test_a_wrong_endpoint(place: S3Place) -> None:
    endpoint = f"http://{LOOPBACK}:{free_port()}"
    message, advice = failure(place, endpoint_url=endpoint)
    assert f"{endpoint} cannot be reached" in message
    assert "Check endpoint_url" in advice


def test_an_endpoint_that_is_not_s3(place: S3Place) -> None:
    with loopback_site.serve() as site:
        message, advice = failure(place, endpoint_url=site.address)
    assert f"{site.address} answers with status 404, and not as an S3 server does" in message
    assert "Check endpoint_url" in advice


@pytest.mark.parametrize("option", ["aws_access_key_id", "aws_secret_access_key"])
def test_wrong_credentials(place: S3Place, option: str) -> None:
    message, advice = failure(place, **{option: "wrong-and-secret"})
    assert "refuses the credentials" in message
    assert option in advice
    assert "wrong-and-secret" not in message + advice


def test_no_credentials(place: S3Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    message, advice = failure(place, aws_access_key_id=None, aws_secret_access_key=None)
    assert "There are no credentials" in message
    assert "IAM role" in advice


def test_a_missing_bucket(place: S3Place) -> None:
    message, advice = failure(place, bucket_name="files-not-there")
    assert f"There is no bucket 'files-not-there' at {place.server.endpoint}" in message
    assert "auto_create_bucket: true" in advice


def test_a_missing_permission(place: S3Place) -> None:
    account = {"aws_access_key_id": READER_ACCESS_KEY, "aws_secret_access_key": READER_SECRET_KEY}
    message, advice = failure(place, **account)
    assert f"The permission s3:PutObject for '{place.bucket}/*' is missing" in message
    assert "s3:DeleteObject" in advice


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_certificate_nobody_vouches_for(place: S3Place) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert(LOOPBACK).configure_cert(tls)
    with relay_to(httpx.URL(place.server.endpoint).port or 0, tls) as relay:
        endpoint = f"https://{LOOPBACK}:{relay.port}"
        message, advice = failure(place, endpoint_url=endpoint)
        assert start(place, endpoint_url=endpoint, verify=False)
    assert f"The TLS certificate of {endpoint} is not trusted" in message
    assert "Set verify" in advice


def test_authorities_that_are_not_there(place: S3Place) -> None:
    message, _ = failure(place, verify="/no/such/ca.pem")
    assert "There is no file /no/such/ca.pem" in message


def test_a_session_token_goes_to_the_server(place: S3Place) -> None:
    with relay_to(httpx.URL(place.server.endpoint).port or 0) as relay:
        message, _ = failure(place, endpoint_url=f"http://{LOOPBACK}:{relay.port}", aws_session_token="a-token")
    assert b"\r\nX-Amz-Security-Token: a-token\r\n" in relay.requests
    assert "refuses the credentials" in message  # It knows no such token.
    assert "a-token" not in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kms_key_id": "key"}, "kms_key_id needs server_side_encryption: aws:kms"),
        ({"aws_secret_access_key": None}, "give both or neither"),
        ({"aws_access_key_id": None, "aws_secret_access_key": None, "aws_session_token": "x"}, "belongs to an"),
        ({"endpoint_url": "minio:9000"}, "has to start with http:// or https://"),
        ({"bucket": "misspelt"}, "bucket\n  Extra inputs are not permitted"),
        ({"metadata_store": {"backend": "sql_default", "table_name": "no good"}}, "table_name 'no good'"),
    ],
)
def test_options_that_cannot_be_right(place: S3Place, options: dict[str, Any], message: str) -> None:
    metadata = {"backend": "sql_default", "table_name": "files_metadata"}
    with pytest.raises(ValidationError, match=message):
        S3FilesConfig(**{"metadata_store": metadata, **place.config, **options})


def test_the_server_says_it_and_ends(place: S3Place, tmp_path: Path) -> None:
    home = Home(place, tmp_path, sqlite_sql(tmp_path))
    message = "(?s)There is no bucket 'files-not-there'.*auto_create_bucket: true"
    options: dict[str, Any] = {"bucket_name": "files-not-there", "auto_create_bucket": False}
    with pytest.raises(StartError, match=message), home.serve(**options):
        pass
