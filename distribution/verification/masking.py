"""Keeps secrets out of everything that is printed."""

import contextlib
import logging
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from distribution.verification.expansion import REFERENCE
from distribution.verification.findings import Finding

MASK = "****"
# Shorter values would turn ordinary words into masks.
SHORTEST_SECRET = 4

SECRET_NAME = re.compile(
    r"passw(or)?d|passphrase|secret|token(?!s|iz)|api_?key|access_?key|private_?key|credential|authorization",
    re.IGNORECASE,
)
URL_CREDENTIALS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/\s@]+@")


class Masker:
    """Replaces the secrets of one config and one environment in any text."""

    def __init__(self, data: Any, environment: Mapping[str, str]) -> None:
        secrets = {value for name, value in environment.items() if SECRET_NAME.search(name)}
        secrets.update(_secrets_in(data))
        usable = sorted((value for value in secrets if len(value) >= SHORTEST_SECRET), key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, usable))) if usable else None

    def text(self, text: str) -> str:
        """Return the text with every known secret and every credential in a URL replaced."""
        text = URL_CREDENTIALS.sub(rf"\1{MASK}@", text)
        return self._secrets.sub(MASK, text) if self._secrets else text

    def finding(self, finding: Finding) -> Finding:
        """Return the finding without secrets in it."""
        return replace(
            finding,
            path=self.text(finding.path),
            message=self.text(finding.message),
            advice=self.text(finding.advice),
        )


def without_secrets(value: Any, *, secret: bool = False) -> Any:
    """Return a copy of a config in which values with telling names, and the credentials in URLs, are replaced."""
    if isinstance(value, dict):
        return {
            key: without_secrets(item, secret=secret or bool(SECRET_NAME.search(str(key))))
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(item, secret=secret) for item in value]
    if secret and value not in (None, "") and not isinstance(value, bool):
        return MASK
    return URL_CREDENTIALS.sub(rf"\1{MASK}@", value) if isinstance(value, str) else value


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
                masked, record.exc_info = f"{masked}\n{masked_text}", None
        if masked != message:
            record.msg, record.args = masked, ()
        return record


def mask_logs(masker: Masker) -> MaskedRecords:
    """Mask all that this process logs from now on."""
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
