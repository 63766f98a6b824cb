"""The log: what an operator has nothing to do about is left out, and a fault of somebody else's is one line."""

from collections.abc import Callable
from typing import Any

from distribution.logs.levels import as_details
from distribution.overlay.declaration import change

STACK = "llama_stack.core.stack"
SERVER = "llama_stack.core.server.server"

STARTS_AND_ENDS = (
    "A start writes the whole run config into the log, 180 lines of it, and an end a line for each API and an ERROR. "
    "`verify --print-effective` prints the config."
)
SAID_AGAIN = (
    "An MCP server that is down is four entries: of the first protocol, of the second, of the tool and of the request. "
    "Here it is the one of the request."
)

DETAILS: dict[str, tuple[str, tuple[str, ...]]] = {
    f"{STACK}:logger": (
        STARTS_AND_ENDS,
        (
            "Shutting down ",
            "No shutdown method for ",
            "Model refresh task cancelled",
            "starting registry refresh task",
        ),
    ),
    f"{SERVER}:logger": (
        STARTS_AND_ENDS,
        (
            "Starting up",
            "Shutting down",
            "Enabling ",
            "Generator cancelled",
        ),
    ),
    "llama_stack.core.routers.inference:logger": (
        "A request for a model that is not there is a warning, and so is telemetry that is off, with each answer.",
        ("Provider ", "No span found for token usage metrics"),
    ),
    "llama_stack.providers.utils.tools.mcp:logger": (
        SAID_AGAIN,
        ("failed to connect ", "MCP ", "network error connecting "),
    ),
    "llama_stack.providers.inline.agents.meta_reference.responses.streaming:logger": (
        SAID_AGAIN,
        ("Failed to list MCP tools", "Exiting inference loop"),
    ),
}
"""Logger -> why, and how the entries begin that belong to the level DEBUG."""


def _of_a_logger(beginnings: tuple[str, ...]) -> Callable[[Any], Any]:
    def logger(adapter: Any) -> Any:
        adapter.logger.addFilter(as_details(beginnings))
        return adapter

    return logger


for target, (why, beginnings) in DETAILS.items():
    change(target, why=why)(_of_a_logger(beginnings))


@change(f"{SERVER}:_log_run_config", takes=("run_config",), why=STARTS_AND_ENDS)
def log_run_config(original: Any) -> Any:
    def log_run_config(run_config: Any) -> None:
        return None

    return log_run_config
