"""What goes wrong with vLLM, in its own words and with its own status."""

from collections.abc import Iterator
from contextlib import contextmanager

from httpx import URL
from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError


class VLLMError(Exception):
    """An error that vLLM has answered. The server passes the status and the message on to the client."""

    def __init__(self, status_code: int, message: str) -> None:
        super().__init__(message)
        self.status_code = status_code


@contextmanager
def vllm_errors(url: str) -> Iterator[None]:
    """Turn the client library's errors into VLLMError, or ConnectionError or TimeoutError with the URL."""
    place = URL(url).copy_with(userinfo=b"")
    try:
        yield
    except APITimeoutError as error:
        raise TimeoutError(f"vLLM at {place} did not answer in time") from error
    except APIConnectionError as error:
        raise ConnectionError(f"vLLM at {place} cannot be reached: {error.__cause__ or error}") from error
    except APIStatusError as error:
        raise VLLMError(error.status_code, _message(error) or error.response.text or str(error)) from error
    except APIError as error:  # in the middle of a stream, whose status was 200
        raise VLLMError(_code(error), _message(error) or str(error)) from error


def _message(error: APIError) -> str | None:
    """The message in the answer's body, of which the library's own message shows a Python dictionary."""
    message = error.body.get("message") if isinstance(error.body, dict) else None
    return message if isinstance(message, str) else None


def _code(error: APIError) -> int:
    code = error.body.get("code") if isinstance(error.body, dict) else None
    return code if isinstance(code, int) else 500
