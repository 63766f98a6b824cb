"""A ``multipart/form-data`` body with one file in it, read as it comes in and never kept."""

from collections.abc import AsyncGenerator, AsyncIterator

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from providers.files import content_disposition

FILE_FIELD = "file"
# Everything but the file: fields, headers, boundaries.
MAX_FRAMING_BYTES = 1 << 20


class MalformedForm(Exception):
    """The body is not a form of the kind that is asked for."""

    status_code = 400


class UploadForm:
    """The fields of a form, and its file as a stream; fields may come before and after the file.

    ``filename`` is None until the file begins, ``fields`` is complete once the content was read.
    """

    def __init__(self, content_type: str, chunks: AsyncIterator[bytes]) -> None:
        """Take the ``Content-Type`` header and the body; raises ``MalformedForm``."""
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self._chunks = chunks
        self._framing_bytes = 0
        self._complete = False
        self._content: list[bytes] = []
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._disposition = b""
        self._name: str | None = None
        self._value = bytearray()
        self._in_file = False
        self._parser = self._make_parser(content_type)

    async def begin(self) -> None:
        """Read until the file begins, or to the end of a form that has none."""
        while self.filename is None and await self._read_on():
            pass

    async def content(self) -> AsyncGenerator[bytes]:
        """Read the file, and the form to its end; raises ``MalformedForm``."""
        reading = True
        while reading:
            for piece in self._content:
                yield piece
            self._content.clear()
            reading = await self._read_on()

    async def _read_on(self) -> bool:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            if not self._complete:
                raise MalformedForm("The form ends before its last boundary.")
            return False
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise MalformedForm(f"There was an error parsing the body: {error}") from error
        self._framing_bytes += len(chunk) - sum(map(len, self._content))
        if self._framing_bytes > MAX_FRAMING_BYTES:
            raise MalformedForm(f"The fields of the form are over {MAX_FRAMING_BYTES} bytes.")
        return True

    def _make_parser(self, content_type: str) -> MultipartParser:
        media_type, options = parse_options_header(content_type)
        if media_type != b"multipart/form-data":
            raise MalformedForm("The body has to be multipart/form-data.")
        if not (boundary := options.get(b"boundary")):
            raise MalformedForm("Missing boundary in multipart.")
        try:
            return MultipartParser(
                boundary,
                {
                    "on_header_field": self._on_header_name,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_part_begin,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise MalformedForm(str(error)) from error

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = b";" + self._header_value.partition(b";")[2]
        self._header_name.clear()
        self._header_value.clear()

    def _on_part_begin(self) -> None:
        self._name, filename = content_disposition.parse(self._disposition)
        self._disposition = b""
        self._in_file = self._name == FILE_FIELD and filename is not None and self.filename is None
        if self._in_file:
            self.filename = filename

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._content.append(data[start:end])
        else:
            self._value += data[start:end]

    def _on_part_end(self) -> None:
        if self._name is not None and not self._in_file:
            self.fields[self._name] = self._value.decode(errors="replace")
        self._value.clear()

    def _on_end(self) -> None:
        self._complete = True
