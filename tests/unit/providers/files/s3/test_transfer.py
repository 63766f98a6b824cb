"""One object's way to S3 and back: which requests are made, and what comes of their answers.

botocore's stubber stands for the server: it checks each request against the service's model.
"""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from providers.files.checked_reader import CheckedReader
from providers.files.config import S3FilesConfig
from providers.files.errors import FileDamaged, ObjectMissing, StorageError
from providers.files.s3 import transfer
from providers.files.s3.bucket import Bucket
from providers.files.s3.client import connect
from providers.files.s3.transfer import PART_BYTES, BucketReader, BucketWriter
from tests.unit.providers.files.conftest import file_record

METADATA = {"backend": "sql_default", "table_name": "files_metadata"}
CONFIG = S3FilesConfig.model_validate(
    {
        "bucket_name": "b",
        "metadata_store": METADATA,
        "aws_access_key_id": "id",
        "aws_secret_access_key": "for-tests-only",
        "max_attempts": 2,
    }
)
PLACE = {"Bucket": "b", "Key": "file-1"}
UPLOAD = {**PLACE, "UploadId": "u"}
ENCRYPTION = {"ServerSideEncryption": "AES256"}


@pytest.fixture(scope="module")
def client() -> Any:
    """A client that nothing answers."""
    return connect(CONFIG)


@pytest.fixture
def server(client: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """Answers the client with what a test prepares, all of which has to be asked for."""
    monkeypatch.setattr(transfer, "_FIRST_PAUSE_SECS", 0)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def answer(content: bytes, *, length: int | None = None, **headers: str) -> dict[str, Any]:
    """An object or a stretch of it; with a length of more than its bytes it breaks off."""
    length = len(content) if length is None else length
    return {"Body": StreamingBody(io.BytesIO(content), length), "ContentLength": length, "ETag": '"e"', **headers}


def read_all(reader: BucketReader, size: int) -> bytes:
    """Read as a checked reader does, which knows how much there is."""
    content = b""
    while len(content) < size:
        content += reader.read(4)
    reader.close()
    return content


def test_what_fits_in_one_part_is_one_request(client: Any, server: Stubber) -> None:
    server.add_response("put_object", {}, {**PLACE, **ENCRYPTION, "Body": b"abc"})

    writer = BucketWriter(client, CONFIG, PLACE, ENCRYPTION)
    writer.write(b"abc")
    writer.commit()


def test_an_empty_content_is_one_request(client: Any, server: Stubber) -> None:
    server.add_response("put_object", {}, {**PLACE, "Body": b""})

    BucketWriter(client, CONFIG, PLACE, {}).commit()


def multipart(server: Stubber, *blocks: bytes) -> dict[str, Any]:
    """Prepare the answers to the parts; returns what the request that completes them says."""
    server.add_response("create_multipart_upload", {"UploadId": "u"}, {**PLACE, **ENCRYPTION})
    for number, block in enumerate(blocks, 1):
        server.add_response("upload_part", {"ETag": f"e{number}"}, {**UPLOAD, "PartNumber": number, "Body": block})
    parts = [{"PartNumber": number, "ETag": f"e{number}"} for number in range(1, len(blocks) + 1)]
    return {**UPLOAD, "MultipartUpload": {"Parts": parts}}


BLOCKS = (bytes(PART_BYTES), b"the rest")
SIZE = sum(map(len, BLOCKS))


def test_parts_are_put_together(client: Any, server: Stubber) -> None:
    server.add_response("complete_multipart_upload", {}, multipart(server, *BLOCKS))

    writer = BucketWriter(client, CONFIG, PLACE, ENCRYPTION)
    for block in BLOCKS:
        writer.write(block)
    writer.commit()


@pytest.mark.parametrize(
    ("code", "size", "is_stored"),
    [("NoSuchUpload", SIZE, True), ("NoSuchUpload", 1, False), ("InvalidPart", SIZE, False)],
)
def test_an_upload_whose_completion_was_not_heard_of_is_looked_for(
    client: Any, server: Stubber, code: str, size: int, is_stored: bool
) -> None:
    expected = multipart(server, *BLOCKS)
    server.add_client_error("complete_multipart_upload", code, expected_params=expected)
    if code == "NoSuchUpload":
        server.add_response("head_object", {"ContentLength": size}, PLACE)
    writer = BucketWriter(client, CONFIG, PLACE, ENCRYPTION)
    for block in BLOCKS:
        writer.write(block)

    if is_stored:
        writer.commit()
    else:
        with pytest.raises(StorageError, match=code):
            writer.commit()


def test_an_upload_that_fails_is_aborted_and_raises_nothing(client: Any, server: Stubber) -> None:
    multipart(server)
    server.add_client_error("upload_part", "SlowDown")
    server.add_client_error("abort_multipart_upload", "AccessDenied", expected_params=UPLOAD)
    writer = BucketWriter(client, CONFIG, PLACE, ENCRYPTION)

    with pytest.raises(StorageError, match="SlowDown"):
        writer.write(BLOCKS[0])
    writer.abort()


def test_nothing_is_aborted_that_was_not_begun(client: Any, server: Stubber) -> None:
    writer = BucketWriter(client, CONFIG, PLACE, {})
    writer.write(b"abc")
    writer.abort()


def test_a_whole_object_is_read(client: Any, server: Stubber) -> None:
    server.add_response("get_object", answer(b"abcdef"), {**PLACE, "Range": "bytes=0-5"})

    reader = BucketReader(client, CONFIG, PLACE, 0, 6)
    assert reader.object_bytes == 6
    assert read_all(reader, 6) == b"abcdef"


def test_a_stretch_knows_the_length_of_its_object(client: Any, server: Stubber) -> None:
    server.add_response("get_object", answer(b"cd", ContentRange="bytes 2-3/6"), {**PLACE, "Range": "bytes=2-3"})

    reader = BucketReader(client, CONFIG, PLACE, 2, 4)
    assert reader.object_bytes == 6
    assert read_all(reader, 2) == b"cd"


def test_an_empty_object_is_asked_for_without_a_range(client: Any, server: Stubber) -> None:
    server.add_response("get_object", answer(b""), PLACE)

    assert BucketReader(client, CONFIG, PLACE, 0, 0).object_bytes == 0


def test_reading_goes_on_where_the_connection_broke_and_in_the_same_object(client: Any, server: Stubber) -> None:
    server.add_response("get_object", answer(b"abcd", length=6), {**PLACE, "Range": "bytes=0-5"})
    again = {**PLACE, "Range": "bytes=4-5", "IfMatch": '"e"'}
    server.add_response("get_object", answer(b"ef", ContentRange="bytes 4-5/6"), again)

    assert read_all(BucketReader(client, CONFIG, PLACE, 0, 6), 6) == b"abcdef"


def test_reading_ends_when_the_object_is_another_one(client: Any, server: Stubber) -> None:
    server.add_response("get_object", answer(b"abcd", length=6), {**PLACE, "Range": "bytes=0-5"})
    server.add_client_error("get_object", "PreconditionFailed")

    with pytest.raises(StorageError, match="Reading 'file-1' broke off"):
        read_all(BucketReader(client, CONFIG, PLACE, 0, 6), 6)


@pytest.mark.parametrize("code", ["InvalidRange", "416"])
def test_an_object_that_was_cut_off_meanwhile_is_damaged(client: Any, server: Stubber, code: str) -> None:
    server.add_response("get_object", answer(b"abcd", length=6), {**PLACE, "Range": "bytes=0-5"})
    server.add_client_error("get_object", code)
    bucket = Bucket(CONFIG)
    bucket._client = client
    reader = CheckedReader(bucket, file_record("file-1", bytes=6), 0, 6)

    assert reader.read(4) == b"abcd"
    with pytest.raises(FileDamaged, match="wrong length"):
        reader.read(4)
    reader.close()


@pytest.mark.parametrize("code", ["NoSuchKey", "404"])
def test_a_missing_object_is_told(client: Any, server: Stubber, code: str) -> None:
    server.add_client_error("get_object", code)

    with pytest.raises(ObjectMissing, match="file-1"):
        BucketReader(client, CONFIG, PLACE, 0, 6)


@pytest.mark.parametrize("code", ["InvalidRange", "416"])
def test_an_object_that_ends_before_the_stretch_is_too_short(client: Any, server: Stubber, code: str) -> None:
    server.add_client_error("get_object", code)

    assert BucketReader(client, CONFIG, PLACE, 4, 6).object_bytes == 0
