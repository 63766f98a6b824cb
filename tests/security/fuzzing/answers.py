"""What is wrong with an answer and with the log, whatever the request was."""

import json
from pathlib import Path
from typing import Any, NoReturn

SERVER_ERROR, NOT_IMPLEMENTED, BAD_GATEWAY, GATEWAY_TIMEOUT = 500, 501, 502, 504
OF_SERVICES = (BAD_GATEWAY, GATEWAY_TIMEOUT)
"""What another service is at fault for, where a request has led to one."""

OUTSIDE = ("server_url", "mcp_endpoint", "huggingface", "web_search", "http://", "https://")
"""What leads from a request to services that are not there: MCP servers, Hugging Face, web search, documents."""


def leads_outside(request: str) -> bool:
    """Say whether a request, written out, names what may be out of reach."""
    return any(word in request for word in OUTSIDE)


def faults(status: int, content_type: str, body: bytes, *, led_outside: bool = False) -> list[str]:
    """Return what is wrong: an error of the server's own, or a body that is not what its Content-Type says.

    `led_outside` says that the request names a service out of reach, whose fault it may be then.
    """
    found = []
    if status >= SERVER_ERROR and status != NOT_IMPLEMENTED and not (led_outside and status in OF_SERVICES):
        found.append(f"{status}: {body.decode(errors='replace')}")
    try:
        kind = content_type.partition(";")[0]
        if kind == "application/json":
            parsed = _parsed(body.decode())
            if status >= 400 and not _has_message(parsed):
                found.append(f"{status} without error.message: {parsed}")
        elif kind == "text/event-stream":
            found += [fault for event in _events(body.decode()) for fault in _faults_of_event(event)]
        elif status >= 400:
            found.append(f"{status} as {content_type or 'nothing'}: {body.decode(errors='replace')}")
    except ValueError as error:
        found.append(f"{content_type} that does not parse: {error}: {body.decode(errors='replace')}")
    return found


class Log:
    """What a server prints, from one request to the next."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = path.stat().st_size

    def traceback(self) -> list[str]:
        """Return what was printed since the last call if a traceback is in it, of the last request or one before."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            printed = file.read()
        self._read += len(printed)
        text = printed.decode(errors="replace")
        return [f"a traceback in the log, of this request or one before it:\n{text}"] if "Traceback" in text else []


def _parsed(text: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"JSON knows no {constant}")

    return json.loads(text, parse_constant=refuse)


def _has_message(parsed: Any) -> bool:
    error = parsed.get("error") if isinstance(parsed, dict) else None
    return isinstance(error, dict) and bool(error.get("message"))


def _events(text: str) -> list[Any]:
    lines = [line for line in text.split("\n") if line and not line.startswith(("event:", ":"))]
    if wrong := [line for line in lines if not line.startswith("data: ")]:
        raise ValueError(f"no line of an event stream: {wrong[0]!r}")
    return [_parsed(data) for line in lines if (data := line.removeprefix("data: ")) != "[DONE]"]


def _faults_of_event(event: Any) -> list[str]:
    error = event.get("error") if isinstance(event, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return [f"an event of a stream: {error}"] if code == SERVER_ERROR else []
