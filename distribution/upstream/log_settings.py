"""The variables that say what is logged, and how. Importing it imports nothing of llama-stack."""

import logging

LOG_FORMAT = "LOG_FORMAT"
PLAIN, JSON = "plain", "json"
FORMATS = (PLAIN, JSON)

LOG_LEVELS = "LLAMA_STACK_LOGGING"
"""Upstream's own: `category=level,category=level`; the category `all` is every one, and libraries too."""
LOG_FILE = "LLAMA_STACK_LOG_FILE"
"""Upstream's own: a file that gets all lines as well."""

EVERYTHING = "all"
ACCESS = "access"
"""Our own category: one line for each request."""

Wishes = list[tuple[str, int]]
"""(category, level), the last that fits has the last word."""


def wished_levels(text: str) -> tuple[Wishes, list[str]]:
    """Read LLAMA_STACK_LOGGING; return what it asks for, and the parts that are no `category=level`."""
    wishes: Wishes = []
    mistakes: list[str] = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        category, _, name = part.partition("=")
        level = logging.getLevelNamesMapping().get(name.strip().upper())
        if category.strip() and level is not None:
            wishes.append((category.strip().lower(), level))
        else:
            mistakes.append(part)
    return wishes, mistakes


def categories() -> list[str]:
    """Return the categories that a level can be given to."""
    from llama_stack.log import CATEGORIES

    return sorted({*CATEGORIES, ACCESS, EVERYTHING})
