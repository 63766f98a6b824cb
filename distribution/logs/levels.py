"""Which entries are logged: the levels of LLAMA_STACK_LOGGING, then of the run config, by category."""

import logging
import os
from collections.abc import Callable

from distribution.upstream.log_settings import EVERYTHING, LOG_LEVELS, Wishes, wished_levels

_CATEGORIES = {"distribution": "core", "providers": "providers", "uvicorn": "server"}
"""First part of a logger's name -> its category, of those that llama-stack gives none."""
_UNCATEGORIZED = "uncategorized"

_of_config: Wishes = []
_categories: dict[str, str] = {}


def level_of(category: str) -> int:
    """Return the level of a category; without a wish it is INFO."""
    return _wished(category, logging.INFO)


def category_of(record: logging.LogRecord) -> str:
    """Return the category of an entry; the name of its logger where it has none, as those of libraries."""
    category: str = getattr(record, "category", _UNCATEGORIZED)
    if category != _UNCATEGORIZED:
        return category
    return _CATEGORIES.get(record.name.partition(".")[0], record.name)


def note_category(logger: str, category: str) -> None:
    """Give a logger of llama-stack the level of its category, `core::server` that of `core`."""
    _categories[logger] = category.partition("::")[0]
    logging.getLogger(logger).setLevel(_of_logger(logger))


def take_up(of_config: Wishes) -> None:
    """Take up the levels of a run config's `logging_config`; those of the environment come before them."""
    _of_config[:] = of_config
    apply()


def apply() -> None:
    """Give each logger its level."""
    logging.getLogger().setLevel(_wished("", logging.WARNING))  # libraries
    for name, category in _CATEGORIES.items():
        logging.getLogger(name).setLevel(level_of(category))
    for name in _categories:
        logging.getLogger(name).setLevel(_of_logger(name))


def as_details(beginnings: tuple[str, ...]) -> Callable[[logging.LogRecord], bool]:
    """Return a filter that makes entries with these beginnings those of the level DEBUG."""

    def filter_details(record: logging.LogRecord) -> bool:
        if not str(record.msg).startswith(beginnings):
            return True
        return set_level(record, logging.DEBUG)

    return filter_details


def set_level(record: logging.LogRecord, level: int) -> bool:
    """Give an entry another level; tell whether its logger has it."""
    record.levelno, record.levelname = level, logging.getLevelName(level)
    return logging.getLogger(record.name).isEnabledFor(level)


def _of_logger(name: str) -> int:
    category = _categories[name]
    return level_of("" if category == _UNCATEGORIZED else category)


def _wished(category: str, otherwise: int) -> int:
    of_environment = wished_levels(os.environ.get(LOG_LEVELS, ""))[0]
    for name, wished in (*_of_config, *of_environment):
        if name in (category, EVERYTHING):
            otherwise = wished
    return otherwise
