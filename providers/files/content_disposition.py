"""File names in ``Content-Disposition`` headers: of form parts (RFC 7578) and of responses (RFC 6266)."""

import re
from urllib.parse import quote, unquote

_PARAMETER = re.compile(r""";\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)""")
# Browsers and HTTP clients write a quote and control characters of a name like this, and nothing else.
_ESCAPED = re.compile(r"%(?:22|[01][0-9A-F])")
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
        charset, _, encoded = parameters["filename*"].partition("''")
        return _unquoted(name), unquote(encoded, encoding=charset or "utf-8", errors="replace")
    return _unquoted(name), _unquoted(filename)


def attachment(filename: str) -> str:
    """Return the header's value for a download; it is plain ASCII whatever the name is."""
    plain = _NOT_PLAIN.sub("_", filename)
    header = f'attachment; filename="{plain}"'
    return header if plain == filename else f"{header}; filename*=UTF-8''{quote(filename, safe='')}"


def _unquoted(value: str | None) -> str | None:
    if value is None:
        return None
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = re.sub(r'\\(["\\])', r"\1", value[1:-1])
    return _ESCAPED.sub(lambda escape: unquote(escape.group()), value)
