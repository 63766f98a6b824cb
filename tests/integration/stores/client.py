"""A process that writes at full speed and says what was acknowledged.

    python -m tests.integration.stores.client CONFIG NAME [COUNT]

CONFIG is the database as JSON. Rows get the ids NAME-0, NAME-1 and so on; without COUNT it goes on until it is killed.
Each id is written to standard output, as a line, when its row is committed. Every third row is in one
transaction with another, whose id has a `b` at its end.
"""

import asyncio
import itertools
import os
import sys
from collections.abc import Iterator
from functools import partial

from llama_stack.core.storage.datatypes import PostgresSqlStoreConfig, SqliteSqlStoreConfig
from pydantic import TypeAdapter

from providers.stores.database import Database, open_database
from providers.stores.errors import StoreUnavailable
from tests.integration.stores.texts import add, create, put_both

AT_ONCE = 64


async def main(database: Database, name: str, count: int | None) -> None:
    """Write rows, many at a time."""
    await create(database)
    numbers = itertools.count() if count is None else iter(range(count))
    await asyncio.gather(*(_write(database, name, numbers) for _ in range(AT_ONCE)))
    await database.close()


async def _write(database: Database, name: str, numbers: Iterator[int]) -> None:
    for number in numbers:
        row = f"{name}-{number}"
        try:
            if number % 3:
                await add(database, row, "x" * 1000)
            else:
                await database.write(partial(put_both, row))
        except StoreUnavailable as error:
            os.write(2, f"{row}: {error}\n".encode())
            await asyncio.sleep(0.2)
        else:
            os.write(1, f"{row}\n".encode())


if __name__ == "__main__":
    _, config, name, *count = sys.argv
    adapter: TypeAdapter[SqliteSqlStoreConfig | PostgresSqlStoreConfig] = TypeAdapter(
        SqliteSqlStoreConfig | PostgresSqlStoreConfig
    )
    opened = open_database(adapter.validate_json(config))
    asyncio.run(main(opened, name, int(count[0]) if count else None))
