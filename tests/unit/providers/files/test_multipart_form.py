"""Forms with a file, however they are cut into pieces and whatever is wrong with them."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.files.multipart_form import MAX_FRAMING_BYTES, MalformedForm, UploadForm

BOUNDARY = "boundary"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


@dataclass(frozen=True)
class Read:
    """What was read of a form."""

    filename: str | None
    content: bytes
    fields: dict[str, str]


def part(disposition: str, content: bytes, *headers: str) -> bytes:
    """One part of a form."""
    lines = [f"--{BOUNDARY}", f"Content-Disposition: form-data; {disposition}", *headers, "", ""]
    return "\r\n".join(lines).encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """A whole form."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def read(body: bytes, *, piece_bytes: int = 1 << 16, content_type: str = CONTENT_TYPE) -> Read:
    """Read a form that comes in by pieces."""
    return read_pieces([body[i : i + piece_bytes] for i in range(0, len(body), piece_bytes)], content_type)


def read_pieces(pieces: Iterable[bytes], content_type: str = CONTENT_TYPE) -> Read:
    """Read a form from its pieces."""

    async def come_in() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def use() -> Read:
        upload = UploadForm(content_type, come_in())
        await upload.begin()
        content = b"".join([block async for block in upload.content()])
        return Read(upload.filename, content, upload.fields)

    return asyncio.run(use())


PURPOSE = part('name="purpose"', b"assistants")
FILE = part('name="file"; filename="a.txt"', b"content", "Content-Type: text/plain")


@pytest.mark.parametrize("piece_bytes", [1, 2, 7, 1000])
@pytest.mark.parametrize("body", [form(PURPOSE, FILE), form(FILE, PURPOSE)], ids=["file last", "file first"])
def test_a_file_and_the_fields_beside_it(body: bytes, piece_bytes: int) -> None:
    assert read(body, piece_bytes=piece_bytes) == Read("a.txt", b"content", {"purpose": "assistants"})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(form(PURPOSE), Read(None, b"", {"purpose": "assistants"}), id="no file"),
        pytest.param(form(), Read(None, b"", {}), id="nothing"),
        pytest.param(
            form(part('name="file"; filename=""', b"")),
            Read("", b"", {}),
            id="a file without name and content",
        ),
        pytest.param(
            form(part('name="file"', b"no name")),
            Read(None, b"", {"file": "no name"}),
            id="a field where a file is expected",
        ),
        pytest.param(
            form(part('name="other"; filename="b"', b"other"), FILE),
            Read("a.txt", b"content", {"other": "other"}),
            id="a file of another name",
        ),
        pytest.param(
            form(FILE, part('name="file"; filename="b"', b"second")),
            Read("a.txt", b"content", {"file": "second"}),
            id="a second file",
        ),
        pytest.param(
            form(part('name="purpose"', b"batch"), PURPOSE, FILE),
            Read("a.txt", b"content", {"purpose": "assistants"}),
            id="a field twice",
        ),
        pytest.param(
            form(part('filename="x"', b"nameless"), FILE), Read("a.txt", b"content", {}), id="a part without name"
        ),
        pytest.param(
            form(part('name="purpose"', "Grüße".encode("latin-1")), FILE),
            Read("a.txt", b"content", {"purpose": "Gr\ufffd\ufffde"}),
            id="a value that is not UTF-8",
        ),
        pytest.param(form(FILE) + b"epilogue", Read("a.txt", b"content", {}), id="text after the form"),
        pytest.param(
            form(FILE.replace(b"Content-Disposition", b"content-DISPOSITION")),
            Read("a.txt", b"content", {}),
            id="a header in other letters",
        ),
    ],
)
def test_forms_of_many_kinds(body: bytes, expected: Read) -> None:
    assert read(body) == expected


@given(content=st.binary(max_size=300), cuts=st.lists(st.integers(0, 600), max_size=8))
def test_the_content_is_the_same_however_it_is_cut(content: bytes, cuts: list[int]) -> None:
    body = form(part('name="file"; filename="f"', content), PURPOSE)
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    pieces = [body[start:stop] for start, stop in pairwise(places)]

    if f"\r\n--{BOUNDARY}".encode() not in content:
        assert read_pieces(pieces) == Read("f", content, {"purpose": "assistants"})


@given(st.binary(max_size=300), st.booleans())
def test_a_body_that_makes_no_sense_is_a_malformed_form(garbage: bytes, begins_well: bool) -> None:
    with pytest.raises(MalformedForm):
        read((FILE if begins_well else b"") + garbage)


@given(st.text(st.characters(max_codepoint=255)))
def test_any_content_type_is_a_form_or_malformed(options: str) -> None:
    try:
        read(form(FILE), content_type=f"multipart/form-data; {options}")
    except MalformedForm as error:
        assert str(error)


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("", "The body has to be multipart/form-data."),
        ("application/json", "The body has to be multipart/form-data."),
        ("multipart/form-data", "Missing boundary in multipart."),
        ("multipart/form-data; boundary=", "Missing boundary in multipart."),
    ],
)
def test_another_content_type_is_told(content_type: str, message: str) -> None:
    with pytest.raises(MalformedForm) as raised:
        read(form(FILE), content_type=content_type)
    assert str(raised.value) == message
    assert raised.value.status_code == 400


def test_a_form_that_breaks_off_is_told() -> None:
    with pytest.raises(MalformedForm, match="The form ends before its last boundary"):
        read(PURPOSE + FILE)


@pytest.mark.parametrize(
    "body",
    [
        form(part('name="purpose"', bytes(MAX_FRAMING_BYTES)), FILE),
        form(FILE, part('name="other"', bytes(MAX_FRAMING_BYTES))),
        form(*[part(f'name="{number}"', b"") for number in range(20_000)], FILE),
    ],
    ids=["a long field", "a long field after the file", "many fields"],
)
def test_fields_have_a_limit(body: bytes) -> None:
    with pytest.raises(MalformedForm, match=f"The fields of the form are over {MAX_FRAMING_BYTES} bytes"):
        read(body)


def test_a_long_file_is_no_long_field() -> None:
    content = bytes(2 * MAX_FRAMING_BYTES)

    assert read(form(part('name="file"; filename="f"', content))).content == content


def test_a_file_streams_before_the_rest_has_come() -> None:
    async def come_in() -> AsyncIterator[bytes]:
        yield PURPOSE + FILE.removesuffix(b"\r\n")
        raise AssertionError("there is something to hand out before this is asked for")

    async def use() -> tuple[str | None, bytes]:
        upload = UploadForm(CONTENT_TYPE, come_in())
        await upload.begin()
        return upload.filename, await anext(upload.content())

    assert asyncio.run(use()) == ("a.txt", b"content")
