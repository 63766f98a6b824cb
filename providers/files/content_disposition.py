"""File names in ``Content-Disposition`` headers: of form parts (RFC 7578) and of responses (RFC 6266)."""

import re
from urllib.parse import quote, unquote

_PARAMETER = re.compile(r""";\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)""")
# Browsers and HTTP clients write a quote and control characters of a name like this, and nothing else.
_ESCAPED = re.compile(r"%(?:22|[01][0-9A-F])")
# CHARSET'LANGUAGE'NAME, of which the first two are sometimes forgotten (RFC 8187).
_EXTENDED = re.compile(r"(?:([^']*)'[^']*')?(.*)", re.DOTALL)
_NOT_PLAIN = re.compile(r'[^ -~]|["\\%]')


def parse(header: bytes) -> tuple[str | None, str | None]:
    """Return the ``name`` and the ``filename`` of a form part, as the sender had them."""
    try:
        text = header.decode()
    except UnicodeDecodeError:
        text = header.decode("latin-1")
    parameters = {key.lower(): value.strip() for key, value in _PARAMETER.findall(text)}
    name, filename = parameters.get("name"), parameters.get("filename")
    if filename is None and "filename*" in parameters:
        return _unquoted(name), _decoded(parameters["filename*"])
    return _unquoted(name), _unquoted(filename)


def attachment(filename: str) -> str:
    """Return the header's value for a download: plain ASCII whatever the name is, and no path (RFC 6266, 4.3)."""
    filename = re.split(r"[/\\]", filename)[-1]
    plain = _NOT_PLAIN.sub("_", filename)
    header = f'attachment; filename="{plain}"'
    return header if plain == filename else f"{header}; filename*=UTF-8''{quote(filename, safe='')}"


def _decoded(extended: str) -> str:
    """Read an extended value as Latin-1 if it says so, else as UTF-8: other charsets are not allowed."""
    charset, encoded = _EXTENDED.findall(extended)[0]
    return unquote(encoded, encoding="latin-1" if charset.lower() == "iso-8859-1" else "utf-8", errors="replace")


def _unquoted(value: str | None) -> str | None:
    if value is None:
        return None
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = re.sub(r'\\(["\\])', r"\1", value[1:-1])
    return _ESCAPED.sub(lambda escape: unquote(escape.group()), value)
