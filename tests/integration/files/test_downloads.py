"""Ranges, conditions and checksums of downloads."""

import base64
import hashlib
import os
from collections.abc import Iterator

import pytest

from tests.integration.files import web
from tests.support.stack_server import StackServer

# Several blocks of a disk and of S3.
SIZE = (11 << 20) + 7
CONTENT = os.urandom(SIZE)
SHA256 = hashlib.sha256(CONTENT)


@pytest.fixture(scope="module")
def url(stack: StackServer) -> Iterator[str]:
    """The address of a content."""
    file = stack.openai.files.create(file=("data.bin", CONTENT), purpose="assistants")
    yield f"{stack.url}/v1/files/{file.id}/content"
    stack.openai.files.delete(file.id)


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, SIZE),
        ("bytes=1000-1999999", 1000, 2_000_000),
        ("bytes=5242870-5242889", 5_242_870, 5_242_890),
        (f"bytes={SIZE - 1}-{SIZE + 10}", SIZE - 1, SIZE),
        ("bytes=-1", SIZE - 1, SIZE),
        (f"bytes=-{2 * SIZE}", 0, SIZE),
    ],
)
def test_a_range_is_sent(url: str, wanted: str, start: int, stop: int) -> None:
    response = web.get(url, headers={"Range": wanted})
    assert response.status_code == 206
    assert response.content == CONTENT[start:stop]
    assert response.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert response.headers["content-length"] == str(stop - start)


@pytest.mark.parametrize("wanted", [f"bytes={SIZE}-", "bytes=-0", f"bytes={SIZE + 5}-{SIZE + 9}"])
def test_a_range_outside_the_content_is_refused(url: str, wanted: str) -> None:
    response = web.get(url, headers={"Range": wanted})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize("wanted", ["bytes=0-1,5-6", "bytes=5-1", "bytes=-", "lines=1-2", "bytes=a-b"])
def test_a_range_that_is_not_understood_is_ignored(url: str, wanted: str) -> None:
    response = web.get(url, headers={"Range": wanted})
    assert response.status_code == 200
    assert hashlib.sha256(response.content).digest() == SHA256.digest()


def test_an_interrupted_download_goes_on(url: str) -> None:
    with web.stream("GET", url) as response:
        etag = response.headers["etag"]
        begun = next(response.iter_bytes(1 << 20))
    headers = {"Range": f"bytes={len(begun)}-", "If-Range": etag}
    rest = web.get(url, headers=headers)
    assert rest.status_code == 206
    assert begun + rest.content == CONTENT


def test_a_range_of_another_version_is_the_whole(url: str) -> None:
    response = web.get(url, headers={"Range": "bytes=5-", "If-Range": '"another"'})
    assert response.status_code == 200
    assert len(response.content) == SIZE


def test_a_digest_comes_along(url: str) -> None:
    headers = web.get(url, headers={"Range": "bytes=0-0"}).headers
    assert headers["repr-digest"] == f"sha-256=:{base64.b64encode(SHA256.digest()).decode()}:"
    assert headers["accept-ranges"] == "bytes"


def test_head_tells_the_same_without_the_content(url: str) -> None:
    response = web.head(url)
    assert response.status_code == 200
    assert response.content == b""
    assert response.headers["content-length"] == str(SIZE)
    assert response.headers["etag"] == f'"{SHA256.hexdigest()}"'


def test_an_empty_content_has_no_ranges(stack: StackServer) -> None:
    file = stack.openai.files.create(file=("empty", b""), purpose="assistants")
    response = web.get(f"{stack.url}/v1/files/{file.id}/content", headers={"Range": "bytes=0-"})
    stack.openai.files.delete(file.id)
    assert response.status_code == 416
