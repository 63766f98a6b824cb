"""The operator's settings: what is stored of requests that do not say, and for how long."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

BY_DEFAULT = "STORE_CHAT_COMPLETIONS"
"""The variable that says whether a chat completion is stored whose request has no `store`: `true` if unset."""
DAYS = "STORED_COMPLETIONS_DAYS"
"""The variable that says after how many days stored chat completions are removed: never if unset."""

_TRUTHS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_MOST_DAYS = 36_500


class SettingsError(ValueError):
    """A variable cannot be read; the message says which, and what it may be."""


@dataclass(frozen=True)
class Settings:
    """What the variables of a process come to."""

    by_default: bool = True
    days: int | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the variables; raises SettingsError."""
        by_default, days = environment.get(BY_DEFAULT, ""), environment.get(DAYS, "")
        if by_default and by_default.lower() not in _TRUTHS:
            raise SettingsError(f"The variable {BY_DEFAULT} is `{by_default}`, which is neither `true` nor `false`.")
        if days and not (days.isascii() and days.isdecimal() and 0 < int(days[:6]) <= _MOST_DAYS):
            raise SettingsError(f"The variable {DAYS} is `{days}`, which is no whole number of days above 0.")
        return cls(_TRUTHS.get(by_default.lower(), True), int(days) if days else None)
