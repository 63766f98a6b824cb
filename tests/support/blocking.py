"""Methods of coroutines for tests that are none."""

import asyncio
import inspect
from typing import Any


class Blocking:
    """Calls the methods of an object, and waits for coroutines, each in an event loop of its own."""

    def __init__(self, target: Any) -> None:
        self.target = target

    def __str__(self) -> str:
        return str(self.target)

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.target, name)
        if not inspect.iscoroutinefunction(attribute):
            return attribute
        return lambda *arguments, **options: asyncio.run(attribute(*arguments, **options))
