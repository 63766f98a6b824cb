"""Text that may stand in the log: it forges no entry, hides none and commands no terminal."""

import re

# All of Unicode's controls but line ends and tabs, what turns the direction of writing, line ends of other kinds,
# and halves of surrogate pairs.
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
LONGEST = 4000
"""How many characters of a line are logged."""
LONGEST_WORD = 300
"""How many characters of a path or a name are logged in the line of a request."""
_LONG = re.compile(f"([^\n]{{{LONGEST}}})([^\n]+)")
_FURTHER_LINE = "\n  "


def in_lines(text: str) -> str:
    """Return a text of one entry as it is: controls written as escapes, long lines cut."""
    text = text.rstrip("\n")
    if len(text) > LONGEST:
        text = _LONG.sub(lambda line: f"{line[1]} ... and {len(line[2])} characters more", text)
    return _HARMFUL.sub(_escaped, text.replace("\r\n", "\n"))


def indented(text: str) -> str:
    """Return a text of one entry with all its lines after the first indented."""
    return in_lines(text).replace("\n", _FURTHER_LINE)


def word(text: str) -> str:
    """Return what is to stand in one line: line ends are escapes too, and what is long is cut."""
    if len(text) > LONGEST_WORD:
        text = f"{text[:LONGEST_WORD]}..."
    return _HARMFUL.sub(_escaped, text).replace("\n", "\\n").replace("\t", "\\t")


def quoted(text: str) -> str:
    """Return a word for a plain line: in quotes, where it could be taken for several."""
    text = word(text)
    return text if text and not (" " in text or '"' in text) else '"' + text.replace('"', '\\"') + '"'


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode()
