"""What goes wrong with a service: each with the status that the client gets."""

from collections.abc import Mapping

import msgspec


class ServiceFailure(Exception):
    """A service that does not do what it was asked; the message goes on after its name."""

    status_code = 502


class ServiceUnreachable(ServiceFailure):
    """There is no connection."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"cannot be reached: {reason}")


class ServiceTimeout(ServiceFailure):
    """It takes longer than it may."""

    status_code = 504


class ServiceBroke(ServiceFailure):
    """Its answer is none, or ends in the middle."""

    def __init__(self, message: str, *, before_answer: bool = False) -> None:
        super().__init__(message)
        self.before_answer = before_answer
        """Whether the connection ended with nothing of an answer seen."""


class Refusal(Exception):
    """An error that the service has answered, passed on with its status, its message, and when to try again."""

    def __init__(self, status_code: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.headers = dict(headers or {})


class _Error(msgspec.Struct):
    message: str = ""
    code: int | str | None = None


class _Nested(msgspec.Struct):
    error: _Error | str


class _Flat(msgspec.Struct):
    message: str
    code: int | str | None = None


class _Detail(msgspec.Struct):
    detail: str


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for what is no JSON, not in UTF-8, of another form, or nested too deep."""
_FORMS = [msgspec.json.Decoder(form) for form in (_Nested, _Flat, _Detail)]
_LONGEST = 2000
"""Characters of an error's text that is no JSON."""


def error_of(body: bytes) -> tuple[str, int | None]:
    """Return the message of an error's body, whoever wrote it, and its code where that may be a status."""
    for form in _FORMS:
        try:
            match form.decode(body):
                case _Nested(error=str(message)) | _Detail(detail=message):
                    return message, None
                case _Nested(error=_Error(message=message, code=code)) | _Flat(message=message, code=code):
                    return message, code if isinstance(code, int) and 400 <= code < 600 else None
        except UNREADABLE:
            continue
    return body.decode(errors="replace").strip()[:_LONGEST], None
