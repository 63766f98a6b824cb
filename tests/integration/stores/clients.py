"""Start clients, and compare what they were told with what is there."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from builder import paths
from providers.stores.database import Database, DatabaseConfig
from tests.integration.stores.texts import ids


@contextmanager
def client(
    config: DatabaseConfig, name: str, log: Path, count: int | None = None, *, prefix: tuple[str | Path, ...] = ()
) -> Iterator[subprocess.Popen[str]]:
    """Run a client; it is killed at the end of the block."""
    module = [sys.executable, "-m", "tests.integration.stores.client"]
    arguments = [config.model_dump_json(), name, *([] if count is None else [str(count)])]
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [*prefix, *module, *arguments], stdout=subprocess.PIPE, stderr=errors, text=True, cwd=paths.ROOT
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()


def said(process: subprocess.Popen[str]) -> IO[str]:
    """The lines of a client."""
    assert process.stdout is not None
    return process.stdout


def check_stored(database: Database, acknowledged: list[str]) -> None:
    """Nothing that was acknowledged is missing, nothing is there twice, and what belongs together is there together."""
    stored = asyncio.run(ids(database))
    assert set(acknowledged) - set(stored) == set()
    assert [text for text, count in Counter(stored).items() if count > 1] == []
    assert is_whole(stored)


def is_whole(stored: Iterable[str]) -> bool:
    """Whether of what belongs together everything is there, or nothing."""
    first, second = (set[str](), set[str]())
    for text in stored:
        if text.endswith("b"):
            second.add(text.removesuffix("b"))
        elif int(text.rpartition("-")[2]) % 3 == 0:
            first.add(text)
    return first == second
