"""PDFs of the tests' own."""

import io
import zlib

from pypdf import PdfWriter
from pypdf.generic import DictionaryObject, EncodedStreamObject, NameObject, NumberObject


def pdf(*texts: str) -> bytes:
    """A PDF with a page for each text."""
    return _of_pages([f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode() for text in texts])


def endless(pages: int) -> bytes:
    """A PDF of three kilobytes; each of its pages keeps a parser busy for seconds."""
    return _of_pages([b"BT /F1 12 Tf " + b"() Tj " * 100_000 + b" ET"], times=pages)


def _of_pages(contents: list[bytes], times: int = 1) -> bytes:
    writer = PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    fonts = DictionaryObject({NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})})
    for content in contents:
        packed = zlib.compress(content, 9)
        stream = EncodedStreamObject()
        stream._data = packed
        stream.update(
            {NameObject("/Filter"): NameObject("/FlateDecode"), NameObject("/Length"): NumberObject(len(packed))}
        )
        shared = writer._add_object(stream)
        for _ in range(times):
            page = writer.add_blank_page(612, 792)
            page[NameObject("/Resources")] = fonts
            page[NameObject("/Contents")] = shared
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()
