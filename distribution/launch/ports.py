"""The port to serve on."""

from collections.abc import Mapping
from dataclasses import dataclass

from distribution.launch.errors import USAGE, UserError

DEFAULT_PORT = 8321
VARIABLE = "LLAMA_STACK_PORT"


@dataclass(frozen=True)
class ChosenPort:
    """A port, and where its number comes from (`--port`, `LLAMA_STACK_PORT`, `server.port` or `default`)."""

    number: int
    source: str


def choose_port(argument: int | None, environment: Mapping[str, str], configured: int | None = None) -> ChosenPort:
    """Choose --port, then LLAMA_STACK_PORT, then the config's server.port, then 8321.

    Raises UserError (exit code 2) when LLAMA_STACK_PORT is no port.
    """
    if argument is not None:
        return ChosenPort(argument, "--port")
    if (value := environment.get(VARIABLE)) and not is_service_address(value):
        return ChosenPort(_parse(value), VARIABLE)
    if configured is not None:
        return ChosenPort(configured, "server.port")
    return ChosenPort(DEFAULT_PORT, "default")


def is_service_address(value: str) -> bool:
    """Tell whether Kubernetes wrote `value`.

    Beside a Service named `llama-stack` every pod gets LLAMA_STACK_PORT=tcp://ADDRESS:PORT unasked.
    """
    return value.startswith(("tcp://", "udp://", "sctp://"))


def _parse(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
        raise UserError(f"{VARIABLE} is {value!r}. It has to be a port number, 1 to 65535.", USAGE)
    return int(value)
