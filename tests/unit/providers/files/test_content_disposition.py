"""File names as clients send them, and as they get them back."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.files.content_disposition import attachment, parse


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"", (None, None)),
        (b'; name="file"; filename="a.txt"', ("file", "a.txt")),
        (b"; name=file; filename=a.txt", ("file", "a.txt")),
        (b';NAME="file" ;  FileName = "a.txt"', ("file", "a.txt")),
        (b'; filename="a.txt"', (None, "a.txt")),
        (b'; name="purpose"', ("purpose", None)),
        (b'; name="file"; filename=""', ("file", "")),
        pytest.param(b'; name="file"; filename="a;b=c.txt"', ("file", "a;b=c.txt"), id="semicolon"),
        pytest.param('; name="file"; filename="Grüße.txt"'.encode(), ("file", "Grüße.txt"), id="UTF-8"),
        pytest.param('; name="file"; filename="Grüße.txt"'.encode("latin-1"), ("file", "Grüße.txt"), id="Latin-1"),
        pytest.param(rb'; name="file"; filename="a\"b\\c"', ("file", 'a"b\\c'), id="escaped as curl does"),
        pytest.param(b'; name="file"; filename="a%22b%0D%0Ac"', ("file", 'a"b\r\nc'), id="escaped as browsers do"),
        pytest.param(b'; name="file"; filename="100%25 %41"', ("file", "100%25 %41"), id="not escaped"),
        pytest.param(rb'; name="file"; filename="C:\temp\a.txt"', ("file", r"C:\temp\a.txt"), id="path"),
        pytest.param(b'; name="file"; filename="end\\"', ("file", "end\\"), id="backslash at the end"),
        pytest.param(b"; name=\"file\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe", ("file", "Grüße"), id="RFC 8187"),
        pytest.param(b"; name=\"file\"; filename*=utf-8'de'Gr%C3%BC%C3%9Fe", ("file", "Grüße"), id="with language"),
        pytest.param(b"; name=\"file\"; filename*=ISO-8859-1''Gr%FC%DFe", ("file", "Grüße"), id="RFC 5987"),
        pytest.param(b"; name=\"file\"; filename*=no-such-charset''a%20b", ("file", "a b"), id="unknown charset"),
        pytest.param(b"; name=\"file\"; filename*=idna''a%20b", ("file", "a b"), id="charset that is none"),
        pytest.param(b'; name="file"; filename*=a%20b', ("file", "a b"), id="no charset"),
        pytest.param(b"; name=\"file\"; filename=plain; filename*=UTF-8''other", ("file", "plain"), id="both"),
    ],
)
def test_name_and_filename_are_as_the_sender_had_them(header: bytes, expected: tuple[str | None, str | None]) -> None:
    assert parse(header) == expected


@given(st.binary())
def test_no_header_is_an_error(header: bytes) -> None:
    parse(b";" + header)


@given(st.binary(), st.text())
def test_no_charset_is_an_error(charset: bytes, name: str) -> None:
    parse(b'; name="file"; filename*=' + charset + b"''" + quote(name).encode())


PRINTABLE = st.text(st.characters(blacklist_categories=["Cc", "Cs"], blacklist_characters='"%\\'))


@given(PRINTABLE)
def test_a_name_without_special_characters_needs_no_escape(name: str) -> None:
    assert parse(f'; name="file"; filename="{name}"'.encode()) == ("file", name)


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        ("a.txt", 'attachment; filename="a.txt"'),
        ("two words; and=more", 'attachment; filename="two words; and=more"'),
        ("Grüße", "attachment; filename=\"Gr__e\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe"),
        ('"%', "attachment; filename=\"__\"; filename*=UTF-8''%22%25"),
        ("a\r\nX-Header: b", "attachment; filename=\"a__X-Header: b\"; filename*=UTF-8''a%0D%0AX-Header%3A%20b"),
        ("", 'attachment; filename=""'),
    ],
)
def test_a_download_has_a_plain_name_and_the_real_one(filename: str, header: str) -> None:
    assert attachment(filename) == header


@pytest.mark.parametrize("filename", ["../../etc/passwd", r"C:\Users\passwd", "/passwd", "passwd"])
def test_a_download_has_a_name_and_no_path(filename: str) -> None:
    assert attachment(filename) == 'attachment; filename="passwd"'


@given(st.text(st.characters(exclude_characters="/\\", codec="utf-8")))
def test_a_downloads_header_is_printable_ascii_and_holds_the_name(filename: str) -> None:
    header = attachment(filename)

    assert header.isascii()
    assert header.isprintable()
    plain = header.replace("filename=", "ignored=") if "filename*=" in header else header
    assert parse(plain.removeprefix("attachment").encode())[1] == filename
