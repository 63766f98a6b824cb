"""An error as OpenAI's API describes it."""

from typing import Any

SERVER_ERROR = 500
# OpenAI's words; every other mistake of a client is an invalid request.
TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def error_body(
    status: int, message: str, *, param: str | None = None, code: str | int | None = None
) -> dict[str, dict[str, Any]]:
    """Return the body of an answer with this status, which is its code where it has none of its own."""
    kind = "server_error" if status >= SERVER_ERROR else TYPES.get(status, "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code or status}}
