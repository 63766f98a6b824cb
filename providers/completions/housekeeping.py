"""The end of stored chat completions whose time is over."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from llama_stack.log import get_logger

from providers.completions.losses import reason_of
from providers.completions.store import CompletionsStore

log = get_logger(name=__name__, category="inference")

INTERVAL = 3600.0
"""Seconds between two looks."""
AT_ONCE = 500
"""How many are removed in one transaction: others wait for it."""
_SECONDS_A_DAY = 86_400


@asynccontextmanager
async def keep_house(
    store: CompletionsStore, days: int | None, *, interval: float = INTERVAL, at_once: int = AT_ONCE
) -> AsyncGenerator[None]:
    """Remove what is older at intervals for as long as the block lasts; several replicas may at the same time."""
    if days is None:
        yield
        return
    task = asyncio.create_task(_keep_house(store, days, interval, at_once))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep_house(store: CompletionsStore, days: int, interval: float, at_once: int) -> None:
    while True:
        try:
            await remove_older(store, days, at_once)
        except Exception as error:
            log.error(f"Old chat completions cannot be removed, which is tried again later: {reason_of(error)}")
        # Replicas that were started together need not work at the same moments.
        await asyncio.sleep(interval * random.uniform(0.8, 1.2))  # noqa: S311


async def remove_older(store: CompletionsStore, days: int, at_once: int = AT_ONCE) -> None:
    """Remove all that were stored more than so many days ago, a few in each transaction."""
    than = time.time() - days * _SECONDS_A_DAY
    removed = 0
    while found := await store.remove_older(than, at_once):
        removed += found
    if removed:
        log.info(f"{removed} stored chat completions were older than {days} days and have been removed")
