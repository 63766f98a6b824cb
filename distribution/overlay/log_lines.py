"""The log: one line for each entry and each request, at the levels that were asked for, on every launch path."""

import logging
from typing import Any

from distribution.logs import levels
from distribution.logs.access import AccessLog
from distribution.logs.output import is_json, output, set_up
from distribution.overlay.declaration import change
from distribution.upstream.application import APPLICATION_FACTORY
from distribution.upstream.log_settings import ACCESS

LOG = "llama_stack.log"
UVICORN_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.asgi", "uvicorn.access")
UVICORNS_DETAILS = levels.as_details(
    ("Waiting for application startup", "Application startup complete", "Waiting for application shutdown")
)
LEVELS = (
    "LLAMA_STACK_LOGGING is without effect: the levels that it gives are those of loggers that nobody uses. Those of "
    "`logging_config` hold for what is imported after the run config is read. Requests have no category."
)
ACCESS_LINES = (
    "uvicorn's line of a request says neither how long it took nor which model was asked, has no id to find what else "
    "was logged of it, and says of a client that has left that it got its answer."
)


@change(
    f"{LOG}:setup_logging",
    takes=("category_levels", "log_file"),
    why="Lines are broken and filled up with blanks to 120 columns, without the zone of their time, so that no "
    "collector of logs can read them; rich renders each for a millisecond and more. "
    "Names, paths and messages of a request are logged as they are: terminal escapes and line ends of theirs make "
    "entries that nobody wrote, or hide what was; `[red]` and the like are taken for markup and vanish. One half of "
    "a surrogate pair stops the log for good, since rich tries the same text again with every entry.",
    advisory="log-forged-or-stopped",
)
def setup_logging(original: Any) -> Any:
    def setup_logging(category_levels: dict[str, int] | None = None, log_file: str | None = None) -> None:
        set_up()

    return setup_logging


@change(f"{LOG}:get_logger", takes=("name", "category", "config"), why=LEVELS)
def get_logger(original: Any) -> Any:
    def get_logger(name: str, category: str = "uncategorized", config: Any = None) -> Any:
        adapter = original(name, category)
        levels.note_category(name, category)
        if config:
            wished = logging.getLevelNamesMapping()
            levels.take_up(
                [
                    (category, wished[level.upper()])
                    for category, level in config.category_levels.items()
                    if level.upper() in wished
                ]
            )
        return adapter

    return get_logger


@change(f"{LOG}:CATEGORIES", why=LEVELS)
def categories(original: list[str]) -> list[str]:
    return [*original, ACCESS]


@change(
    "uvicorn.config:Config.configure_logging",
    takes=("self",),
    why="Where uvicorn's own command starts the server, as the operator does, its lines have a form of their own.",
)
def configure_logging(original: Any) -> Any:
    def configure_logging(self: Any) -> None:
        if self.app != APPLICATION_FACTORY:
            original(self)
            return
        set_up()
        if not isinstance(self.log_config, str):  # a file of the user's own
            self.log_config = None
            for name in UVICORN_LOGGERS:
                logger = logging.getLogger(name)
                logger.handlers, logger.propagate = [], True
        logging.getLogger("uvicorn.error").addFilter(UVICORNS_DETAILS)
        original(self)
        # uvicorn writes a line for each request where this logger has somebody to hand it to. We do.
        access = logging.getLogger("uvicorn.access")
        access.handlers, access.propagate = [], False

    return configure_logging


@change("llama_stack.core.server.server:StackApp.build_middleware_stack", takes=("self",), why=ACCESS_LINES)
def build_middleware_stack(original: Any) -> Any:
    def build_middleware_stack(self: Any) -> Any:
        stack = original(self)
        level = levels.level_of(ACCESS)
        if level > logging.INFO:
            return AccessLog(stack, None)
        return AccessLog(stack, output(), as_json=is_json(), with_probes=level <= logging.DEBUG)

    return build_middleware_stack
