"""The Files API with OpenAI's and llama-stack's own clients."""

import hashlib
import os
import re
from collections.abc import Iterator

import httpx
import pytest
from openai import BadRequestError, NotFoundError
from openai.resources.files import Files

from tests.integration.files import web
from tests.integration.files.places import Place
from tests.support.stack_server import StackServer

# One block, a few blocks, and what is just below, at and above a boundary; 5 MiB is a part of an S3 upload.
SIZES = [0, 1, (1 << 20) - 1, 1 << 20, (5 << 20) - 1, 5 << 20, (5 << 20) + 1, (12 << 20) + 17]
NAMES = [
    "plain.txt",
    "with space; and=signs.txt",
    'quote " and \\ backslash.txt',
    "percent %22 is hard%",
    "日本語 näme.pdf",
    "../../etc/passwd",
    "C:\\dir\\file.txt",
    "line\r\nbreak: x",
    "x" * 1000,
]


@pytest.fixture
def uploaded(files: Files) -> Iterator[str]:
    """The id of a small file."""
    file_id = files.create(file=("hello.txt", b"hello world"), purpose="assistants").id
    yield file_id
    files.delete(file_id)


@pytest.mark.parametrize("size", SIZES)
def test_a_content_comes_back_as_it_was(files: Files, size: int) -> None:
    content = os.urandom(size)
    file = files.create(file=("data.bin", content), purpose="assistants")
    assert file.bytes == size
    response = files.content(file.id)
    assert response.read() == content
    assert response.response.headers["content-length"] == str(size)
    assert response.response.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    assert files.delete(file.id).deleted


@pytest.mark.parametrize("name", NAMES)
def test_a_name_comes_back_as_it_was(files: Files, name: str) -> None:
    file = files.create(file=(name, b"x"), purpose="assistants")
    stored = files.retrieve(file.id)
    files.delete(file.id)
    # A quote is sent as %22, so a name with a literal %22 cannot be told from one with a quote.
    assert stored.filename == name.replace("%22", '"')


@pytest.mark.parametrize("name", NAMES)
def test_a_download_names_the_file_in_plain_ascii_and_in_full(stack: StackServer, files: Files, name: str) -> None:
    file = files.create(file=(name, b"x"), purpose="assistants")
    header = web.get(f"{stack.url}/v1/files/{file.id}/content").headers["content-disposition"]
    files.delete(file.id)
    assert header.startswith('attachment; filename="')
    assert header.isascii()
    assert header.isprintable()
    plain, _, extended = header.partition("; filename*=UTF-8''")
    named = httpx.URL(f"x://x/?n={extended}").params["n"] if extended else plain.split('"')[1]
    assert named == re.split(r"[/\\]", file.filename)[-1]  # what a folder is called is no part of a download's name


def test_a_file_is_described(files: Files, uploaded: str) -> None:
    file = files.retrieve(uploaded)
    assert (file.filename, file.bytes, file.purpose, file.object) == ("hello.txt", 11, "assistants", "file")
    assert file.expires_at is None


def test_a_removed_file_is_gone(files: Files, place: Place) -> None:
    file_id = files.create(file=("x", b"x"), purpose="assistants").id
    assert file_id in place.objects()
    files.delete(file_id)
    assert file_id not in place.objects()
    for use in (files.retrieve, files.content, files.delete):
        with pytest.raises(NotFoundError) as error:
            use(file_id)
        assert file_id in error.value.response.json()["detail"]
    assert file_id not in [file.id for file in files.list()]


def test_llama_stacks_own_client_works(stack: StackServer) -> None:
    files = stack.client.files
    file = files.create(file=("own.txt", b"content"), purpose="assistants")
    assert [one.id for one in files.list()] == [file.id]
    assert files.retrieve(file.id).filename == "own.txt"
    files.delete(file.id)


def test_the_deprecated_paths_work(stack: StackServer) -> None:
    base = f"{stack.url}/v1/openai/v1/files"
    created = web.post(base, files={"file": ("x", b"content")}, data={"purpose": "assistants"}).json()
    assert web.get(f"{base}/{created['id']}/content").content == b"content"
    assert web.delete(f"{base}/{created['id']}").json()["deleted"]


def test_the_routes_are_still_documented(stack: StackServer) -> None:
    paths = web.get(f"{stack.url}/openapi.json").json()["paths"]
    assert "post" in paths["/v1/files"]
    assert "get" in paths["/v1/files/{file_id}/content"]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_hold_every_file_once(files: Files, order: str) -> None:
    made = {files.create(file=(f"{number}", b"x"), purpose="assistants").id for number in range(7)}
    page = files.list(limit=3, order=order)  # type: ignore[arg-type]
    first = page.data
    seen = [file.id for file in page]  # The client asks for the other pages.
    times = [file.created_at for file in page]
    for file_id in made:
        files.delete(file_id)
    assert len(first) == 3
    assert page.has_more
    assert sorted(seen) == sorted(made)
    assert times == sorted(times, reverse=order == "desc")


def test_a_list_can_be_of_one_purpose(files: Files) -> None:
    batch = files.create(file=("b", b"x"), purpose="batch").id
    other = files.create(file=("a", b"x"), purpose="assistants").id
    listed = [file.id for file in files.list(purpose="batch")]
    for file_id in (batch, other):
        files.delete(file_id)
    assert listed == [batch]


@pytest.mark.parametrize("limit", [0, 10_001])
def test_a_limit_outside_the_range_is_refused(files: Files, limit: int) -> None:
    with pytest.raises(BadRequestError) as error:
        files.list(limit=limit)
    assert "between 1 and 10000" in error.value.response.json()["detail"]


def test_a_list_cannot_go_on_after_an_unknown_file(files: Files) -> None:
    with pytest.raises(NotFoundError) as error:
        files.list(after="file-unknown")
    assert "file-unknown" in error.value.response.json()["detail"]


def test_the_expiry_asked_for_is_kept(files: Files) -> None:
    file = files.create(file=("x", b"x"), purpose="assistants", expires_after={"anchor": "created_at", "seconds": 3600})
    files.delete(file.id)
    assert file.expires_at == file.created_at + 3600


def test_an_expiry_may_be_json(stack: StackServer, files: Files) -> None:
    fields = {"purpose": "batch", "expires_after": '{"anchor": "created_at", "seconds": 7200}'}
    file = web.post(f"{stack.url}/v1/files", files={"file": ("x", b"x")}, data=fields).json()
    files.delete(file["id"])
    assert file["expires_at"] == file["created_at"] + 7200


def test_files_for_batches_expire_after_thirty_days(files: Files) -> None:
    file = files.create(file=("x", b"x"), purpose="batch")
    files.delete(file.id)
    assert file.expires_at == file.created_at + 30 * 86400


def test_health_is_told(stack: StackServer) -> None:
    (provider,) = web.get(f"{stack.url}/v1/providers").json()["data"]
    assert provider["health"] == {"status": "OK"}
