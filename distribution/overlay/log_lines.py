"""The log: what a request brings can forge no line, hide none and stop none."""

import logging
import re
import traceback
from typing import Any

from distribution.overlay.declaration import change

LOG = "llama_stack.log"
WHY = (
    "Names, paths and messages of a request are logged as they are: terminal escapes and line ends of theirs make "
    "entries that nobody wrote, or hide what was; `[red]` and the like are taken for markup and vanish. One half of "
    "a surrogate pair stops the log for good, since rich tries the same text again with every entry."
)
# All of Unicode's controls but line ends and tabs, what turns the direction of writing, line ends of other kinds,
# and halves of surrogate pairs.
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
LONGEST = 4000
"""How many characters of a line are logged."""
_LONG = re.compile(f"([^\n]{{{LONGEST}}})([^\n]+)")
_FURTHER_LINE = "\n  "


def harmless(text: str) -> str:
    """Return a text of one entry: controls written as escapes, long lines cut, all after the first indented."""
    text = text.rstrip("\n")
    if len(text) > LONGEST:
        text = _LONG.sub(lambda line: f"{line[1]} ... and {len(line[2])} characters more", text)
    if "\n" in text:
        text = text.replace("\r\n", "\n").replace("\n", _FURTHER_LINE)
    return _HARMFUL.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode()


def make_harmless(record: logging.LogRecord) -> bool:
    """Filter of a handler: the record's text, its traceback included, as `harmless` returns it and without markup."""
    if getattr(record, "is_harmless", False):  # of another handler's
        return True
    try:
        text = record.getMessage()
    except Exception:
        return True  # logging itself says what is wrong with it
    if record.exc_info and record.exc_info[1]:
        text = f"{text}\n{''.join(traceback.format_exception(record.exc_info[1]))}"
    record.msg, record.args, record.exc_info, record.exc_text = harmless(text), (), None, None
    record.markup = False
    record.highlighter = None  # rich looks for what to colour in time that grows with the square of a word's length
    record.is_harmless = True
    return True


def filtering(handler: Any) -> Any:
    class Handler(handler):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.addFilter(make_harmless)

    Handler.__name__ = handler.__name__
    return Handler


for name in ("CustomRichHandler", "CustomFileHandler"):
    change(f"{LOG}:{name}", why=WHY, advisory="log-forged-or-stopped")(filtering)


@change(f"{LOG}:strip_rich_markup", takes=("text",), why=WHY, advisory="log-forged-or-stopped")
def strip_rich_markup(original: Any) -> Any:
    def strip_rich_markup(text: str) -> str:
        return text

    return strip_rich_markup
