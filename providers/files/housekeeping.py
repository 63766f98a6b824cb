"""What happens while nobody asks: sweeping, expiry, verification."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from llama_stack.log import get_logger

from providers.files.config import FilesConfig
from providers.files.storage import FileStorage

log = get_logger(name=__name__, category="files")

_SECONDS_A_DAY = 86400


@asynccontextmanager
async def keep_house(storage: FileStorage, config: FilesConfig) -> AsyncGenerator[None]:
    """Do it at intervals for as long as the block lasts; several replicas may at the same time."""
    task = asyncio.create_task(_keep_house(storage, config))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep_house(storage: FileStorage, config: FilesConfig) -> None:
    while True:
        try:
            await storage.sweep()
            await storage.expire()
            await _verify_due(storage, config)
        except Exception:
            log.exception("Cannot look after the stored files; trying again later")
        # Replicas that were started together need not work at the same moments.
        await asyncio.sleep(config.sweep_interval_secs * random.uniform(0.8, 1.2))  # noqa: S311


async def _verify_due(storage: FileStorage, config: FilesConfig) -> None:
    """Read files again whose turn it is, for half of the time."""
    loop = asyncio.get_running_loop()
    stop_at = loop.time() + config.sweep_interval_secs / 2
    due_after = None if config.scrub_days is None else config.scrub_days * _SECONDS_A_DAY
    while loop.time() < stop_at and (file := await storage.catalog.claim_unverified(due_after)):
        await storage.verify(file)
