"""Keeps secrets out of everything that is printed."""

import contextlib
import logging
import re
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from distribution.verification.expansion import REFERENCE
from distribution.verification.findings import Finding
from distribution.verification.variable_files import SUFFIX

MASK = "****"
# Shorter values would turn ordinary words into masks.
SHORTEST_SECRET = 4

TELLING_WORDS = (
    r"passw(?:or)?d|passphrase|secret|token(?!s|iz)|api[-_]?key|access[-_]?key|private[-_]?key|credential|authorization"
    r"|connection[-_]?string"
)
SECRET_NAME = re.compile(TELLING_WORDS, re.IGNORECASE)
# These are looked for in each line of the log and in what clients send: none may take longer than linear time.
URL_CREDENTIALS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20}://)[^/\s?#\"'<>]+@")
# What follows is long, or has a digit in it: "Bearer token" is no secret.
AUTHORIZATION = re.compile(r"\b(Bearer|Basic)(\s+)(?=\S*[0-9]|\S{20})[\w.~+/=-]{6,}")
IN_QUERY = re.compile(rf"([?&][\w.-]{{0,40}}?(?:{TELLING_WORDS})[\w.-]{{0,40}}=)[^&#\s\"'<>]+", re.IGNORECASE)
# `'api_token': 'x'` of a dict, `"api_token": "x"` of JSON, in a string of JSON too, and `api_token='x'` of an object.
ASSIGNED = re.compile(
    rf"""((?:{TELLING_WORDS})[\w.-]{{0,40}}\\*["']?\s*[:=]\s*\\*(["']))(?:(?!\\*\2)[\s\S])+""",
    re.IGNORECASE,
)

of_request: ContextVar[frozenset[str]] = ContextVar("secrets_of_the_request", default=frozenset())
"""The secrets that the request at hand has brought, such as a key of its own for a provider."""


@dataclass(frozen=True)
class KnownNames:
    """Words that stay as they are: those of this image, and those that a run config gives to what is in it."""

    of_the_image: Collection[str] = ()
    of_the_config: Collection[str] = ()

    def holding(self, secrets: Collection[str]) -> set[str]:
        """Return the names that have a secret in them and are none.

        A name that the config gives is one only where the secret is a word of this image: `sql_default_postgres` with
        the password `postgres`, and not whatever a password was written into by mistake.
        """
        ordinary = {secret for secret in secrets if any(secret in name for name in self.of_the_image)}
        telling = set(secrets) - ordinary
        names = {name for name in self.of_the_image if any(secret in name for secret in ordinary)}
        return names | {
            name
            for name in self.of_the_config
            if any(secret in name for secret in ordinary) and not any(secret in name for secret in telling)
        }


class Masker:
    """Replaces the secrets of one config and one environment in any text.

    Known names stay as they are: `VLLM_API_TOKEN=vllm` makes no secret of `remote::vllm`.
    """

    def __init__(self, data: Any, environment: Mapping[str, str], known: KnownNames | None = None) -> None:
        found = {value for name, value in environment.items() if SECRET_NAME.search(name) and not _is_path(name, value)}
        found.update(_secrets_in(data))
        secrets = {value for value in found if len(value) >= SHORTEST_SECRET}
        # Only names with a secret in them have to be told apart: the pattern is searched for in every log line.
        names = known.holding(secrets) if known else set()
        alternatives = [rf"(?P<name>(?<![\w-])(?:{_any_of(names)})(?![\w-]))"] if names else []
        alternatives += [_any_of(secrets)] if secrets else []
        self._secrets = re.compile("|".join(alternatives)) if alternatives else None

    def text(self, text: str) -> str:
        """Return the text with every known secret replaced, and what is written as one."""
        for secret in of_request.get():
            text = text.replace(secret, MASK)
        return self.known(text)

    def known(self, text: str) -> str:
        """Return the same whoever asks: the secrets of the request at hand stay."""
        text = _without_written_secrets(text)
        return self._secrets.sub(_mask_unless_name, text) if self._secrets else text

    def data(self, value: Any) -> Any:
        """Return a copy of data in which each text is masked, and what has a telling name."""
        return _with_each_text(without_secrets(value), self.text)

    def finding(self, finding: Finding) -> Finding:
        """Return the finding without secrets in it."""
        return replace(
            finding,
            path=self.text(finding.path),
            message=self.text(finding.message),
            advice=self.text(finding.advice),
        )


def _is_path(name: str, value: str) -> bool:
    """Tell whether a variable says where a secret is, and not what it is."""
    return name.endswith(SUFFIX) and value.startswith("/")


def _any_of(words: Collection[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))


def _mask_unless_name(match: re.Match[str]) -> str:
    return match[0] if match.groupdict().get("name") else MASK


def _without_written_secrets(text: str) -> str:
    """Replace the credentials in URLs and headers, and what is assigned to a telling name."""
    text = URL_CREDENTIALS.sub(rf"\1{MASK}@", text)
    text = IN_QUERY.sub(rf"\1{MASK}", text)
    text = AUTHORIZATION.sub(rf"\1\2{MASK}", text)
    return ASSIGNED.sub(rf"\1{MASK}", text)


def _with_each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _with_each_text(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_each_text(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def without_secrets(value: Any, *, secret: bool = False) -> Any:
    """Return a copy of a config in which values with telling names, and secrets written into texts, are replaced."""
    if isinstance(value, dict):
        return {
            key: without_secrets(item, secret=secret or bool(SECRET_NAME.search(str(key))))
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(item, secret=secret) for item in value]
    if secret and value not in (None, "") and not isinstance(value, bool):
        return MASK
    return _without_written_secrets(value) if isinstance(value, str) else value


class MaskedRecords:
    """Makes log records without secrets in them, whoever logs: providers print their whole config.

    Tracebacks can be left out, where a report in words is going to follow.
    """

    def __init__(self, masker: Masker) -> None:
        make = logging.getLogRecordFactory()
        self._make: Callable[..., logging.LogRecord] = make._make if isinstance(make, MaskedRecords) else make
        self._masker = masker
        self._tracebacks = True

    @contextlib.contextmanager
    def without_tracebacks(self) -> Iterator[None]:
        """Leave tracebacks out while the body runs, except where debugging is on."""
        self._tracebacks = False
        try:
            yield
        finally:
            self._tracebacks = True

    def __call__(self, *arguments: Any, **options: Any) -> logging.LogRecord:
        """Make a record as logging does, and mask its text and its traceback."""
        record = self._make(*arguments, **options)
        if isinstance(record.args, tuple):
            record.args = tuple(self._masker.text(one) if isinstance(one, str) else one for one in record.args)
        try:
            message = record.getMessage()
        except Exception:
            return record  # logging itself says what is wrong with it
        masked = self._masker.text(message)
        if not (self._tracebacks or logging.getLogger(record.name).isEnabledFor(logging.DEBUG)):
            record.exc_info = None
        if record.exc_info and record.exc_info[1]:
            text = "".join(traceback.format_exception(record.exc_info[1]))
            if (masked_text := self._masker.text(text)) != text:
                record.exc_text = masked_text  # what handlers write in place of the exception's own
        if masked != message:
            record.msg, record.args = masked, ()
        return record


def mask_logs(masker: Masker) -> MaskedRecords:
    """Mask all that this process logs from now on, and what `shown` returns."""
    global _of_process
    _of_process = masker
    records = MaskedRecords(masker)
    logging.setLogRecordFactory(records)
    return records


def _secrets_in(value: Any, *, secret: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _secrets_in(item, secret=secret or bool(SECRET_NAME.search(str(key))))
    elif isinstance(value, list):
        for item in value:
            yield from _secrets_in(item, secret=secret)
    elif secret and isinstance(value, str | int) and not isinstance(value, bool):
        text = str(value)
        if text.startswith("${"):
            # What is written there is the name of a variable, which may be shown, and perhaps a default.
            yield re.split(r":[=+-]?", text.rstrip("}"), maxsplit=1)[-1] if ":" in text else ""
        elif not REFERENCE.search(text):
            yield text


_of_process = Masker({}, {})


def shown(value: Any) -> Any:
    """Return what may be shown of a text or of data to somebody else: without all secrets that this process knows."""
    return _of_process.data(value)


def without_known_secrets(text: str) -> str:
    """Return a text without what `Masker.known` replaces, for those who keep it from one request to the next."""
    return _of_process.known(text)
