"""What a server keeps: what of the acknowledged completions is stored, and what memory grows by."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
from psycopg import sql

from benchmarks import load, usage
from benchmarks.load import Request
from benchmarks.peers import CHAT_PATH, Server
from tests.support.postgres import Postgres

TIMEOUT = 60
"""Seconds for one request."""


@dataclass(frozen=True)
class Stored:
    """Chat completions that were acknowledged, and how many of them are in no database."""

    acknowledged: int
    lost: int


def store(
    server: Server, body: Mapping[str, Any], stored: Callable[[], set[str]], *, clients: int, count: int, seconds: float
) -> Stored:
    """Have completions made by many clients, at most so many and so long, and look for their ids in what is stored."""
    acknowledged = asyncio.run(_acknowledged(server, body, clients, count, seconds))
    usage.wait_until_idle(server.process)
    return Stored(len(acknowledged), len(acknowledged - stored()))


def stored_ids(directory: Path) -> set[str]:
    """The ids of all tables of the SQLite files in a directory."""
    found: set[str] = set()
    for path in directory.glob("*.db"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                columns = {row[1] for row in database.execute(f'PRAGMA table_info("{table}")')}
                if "id" in columns:
                    found.update(str(row[0]) for row in database.execute(f'SELECT id FROM "{table}"'))  # noqa: S608
    return found


def ids_in_postgres(database: Postgres) -> set[str]:
    """The ids of all tables of a database."""
    found: set[str] = set()
    with psycopg.connect(database.url) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.columns WHERE column_name = 'id' AND table_schema = 'public'"
        ).fetchall()
        for (table,) in tables:
            query = sql.SQL("SELECT id FROM {}").format(sql.Identifier(table))
            found.update(str(row[0]) for row in connection.execute(query))
    return found


async def _acknowledged(server: Server, body: Mapping[str, Any], clients: int, count: int, seconds: float) -> set[str]:
    ids: set[str] = set()
    numbers = iter(range(count))
    end = time.monotonic() + seconds
    connector = aiohttp.TCPConnector(limit=clients)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(
        server.url, headers=server.headers, connector=connector, timeout=timeout
    ) as session:

        async def work() -> None:
            for _ in numbers:
                if time.monotonic() > end:
                    return
                try:
                    async with session.post(CHAT_PATH, json=body) as response:
                        if response.ok:
                            ids.add((await response.json())["id"])
                except (aiohttp.ClientError, TimeoutError):
                    continue  # not acknowledged

        await asyncio.gather(*(work() for _ in range(clients)))
    return ids


@dataclass(frozen=True)
class Growth:
    """What a server held after half of some requests, and after all of them."""

    requests: int
    half: usage.Held
    end: usage.Held

    @property
    def memory(self) -> float:
        """Percent."""
        return 100 * (self.end.memory / self.half.memory - 1)


def grow(server: Server, request: Request, *, requests: int, most_seconds: float, piece: int) -> Growth:
    """Send requests in pieces of some seconds until there were so many, or it took too long."""
    held = [(0, usage.held(server.process))]
    started = time.monotonic()
    while held[-1][0] < requests and time.monotonic() - started < most_seconds:
        sample = load.run(server, request, connections=8, seconds=piece)
        held.append((held[-1][0] + sample.answers, usage.held(server.process)))
    total, end = held[-1]
    _, half = min(held, key=lambda moment: abs(moment[0] - total / 2))
    return Growth(total, half, end)
