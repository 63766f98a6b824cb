"""What an S3 provider can be told: prefix, encryption, host names, certificates; and what it does without luck."""

import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from tests.integration.files import web
from tests.integration.files.places import S3Place
from tests.integration.files.relay import Relay, relay_to
from tests.integration.files.serving import Home
from tests.support.process import LOOPBACK
from tests.support.run_configs import sqlite_sql
from tests.support.s3 import DOMAIN, S3Server
from tests.support.stack_server import StackServer

# Three parts of a multipart upload.
CONTENT = os.urandom((10 << 20) + 1)
PREFIX = "team/a/"


@pytest.fixture(scope="module")
def place(s3_server: S3Server) -> S3Place:
    """A versioned bucket."""
    place = S3Place(s3_server, prefix=PREFIX)
    place.client.create_bucket(Bucket=place.bucket)
    place.client.put_bucket_versioning(Bucket=place.bucket, VersioningConfiguration={"Status": "Enabled"})
    return place


@pytest.fixture(scope="module")
def relay(s3_server: S3Server) -> Iterator[Relay]:
    """A way to the S3 server that can be watched and broken."""
    with relay_to(httpx.URL(s3_server.endpoint).port or 0) as relay:
        yield relay


@pytest.fixture(scope="module")
def stack(place: S3Place, relay: Relay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackServer]:
    """A server that encrypts below a prefix."""
    directory = tmp_path_factory.mktemp("home")
    home = Home(place, directory, sqlite_sql(directory))
    options: dict[str, Any] = {"key_prefix": f"/{PREFIX}", "server_side_encryption": "AES256"}
    with home.serve(endpoint_url=f"http://{LOOPBACK}:{relay.port}", **options) as server:
        yield server


@pytest.fixture(params=[CONTENT, b"small"], ids=["multipart", "one request"])
def content(request: pytest.FixtureRequest) -> bytes:
    """What takes several requests, or one."""
    return bytes(request.param)


@pytest.fixture
def file_id(stack: StackServer, content: bytes) -> Iterator[str]:
    """A file of that content."""
    made = stack.openai.files.create(file=("f", content), purpose="assistants").id
    yield made
    stack.openai.files.delete(made)


def test_keys_have_the_prefix_and_objects_are_encrypted(place: S3Place, file_id: str) -> None:
    head = place.client.head_object(Bucket=place.bucket, Key=PREFIX + file_id)
    assert head["ServerSideEncryption"] == "AES256"


def test_nothing_stays_of_a_file_in_a_versioned_bucket(stack: StackServer, place: S3Place, content: bytes) -> None:
    file_id = stack.openai.files.create(file=("f", content), purpose="assistants").id
    assert [version["Key"] for version in versions(place)] == [PREFIX + file_id]
    stack.openai.files.delete(file_id)
    assert versions(place) == []


def test_a_download_survives_broken_connections(stack: StackServer, relay: Relay, file_id: str, content: bytes) -> None:
    relay.breaks += [len(content) // 3] * 2
    assert stack.openai.files.content(file_id).read() == content
    assert relay.breaks == []


def test_an_upload_survives_broken_connections(
    stack: StackServer, place: S3Place, relay: Relay, content: bytes
) -> None:
    relay.breaks += [0, 0]
    file_id = stack.openai.files.create(file=("f", content), purpose="assistants").id
    assert relay.breaks == []
    assert place.client.get_object(Bucket=place.bucket, Key=PREFIX + file_id)["Body"].read() == content
    stack.openai.files.delete(file_id)


def versions(place: S3Place) -> list[dict[str, str]]:
    """Everything below the prefix that there is or was."""
    listed = place.client.list_object_versions(Bucket=place.bucket, Prefix=PREFIX)
    return [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]


def test_a_bucket_named_in_the_host_with_credentials_from_the_environment(
    s3_server: S3Server, relay: Relay, tmp_path: Path
) -> None:
    """Nobody resolves the bucket's host name here, so the requests take the relay for their proxy."""
    place = S3Place(s3_server)
    home = Home(place, tmp_path, sqlite_sql(tmp_path))
    env = {
        "HTTP_PROXY": f"http://{LOOPBACK}:{relay.port}",
        "NO_PROXY": LOOPBACK,
        "AWS_ACCESS_KEY_ID": s3_server.access_key,
        "AWS_SECRET_ACCESS_KEY": s3_server.secret_key,
    }
    options: dict[str, Any] = {"addressing_style": "virtual", "endpoint_url": f"http://{DOMAIN}"}
    with home.serve(env=env, aws_access_key_id="", aws_secret_access_key="", **options) as server:
        file_id = server.openai.files.create(file=("f", CONTENT), purpose="assistants").id
        assert server.openai.files.content(file_id).read() == CONTENT
        assert place.objects() == {file_id}
        assert f"\r\nHost: {place.bucket}.{DOMAIN}\r\n".encode() in relay.requests

        place.lose(file_id)
        place.client.delete_bucket(Bucket=place.bucket)
        (provider,) = web.get(f"{server.url}/v1/providers").json()["data"]
        assert provider["health"]["status"] == "Error"
        assert place.bucket in provider["health"]["message"]


def test_a_certificate_is_verified_with_the_authority_that_is_given(s3_server: S3Server, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(LOOPBACK).configure_cert(tls)
    home = Home(S3Place(s3_server), tmp_path, sqlite_sql(tmp_path))
    with relay_to(httpx.URL(s3_server.endpoint).port or 0, tls) as relay:
        options: dict[str, Any] = {
            "endpoint_url": f"https://{LOOPBACK}:{relay.port}",
            "verify": str(tmp_path / "ca.pem"),
        }
        with home.serve(**options) as server:
            file_id = server.openai.files.create(file=("f", CONTENT), purpose="assistants").id
            assert server.openai.files.content(file_id).read() == CONTENT
