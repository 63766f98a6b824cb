"""kill -9 at any moment: what was acknowledged is there.

``python build.py test --long tests/integration/stores`` has fifty rounds of each.
"""

import random
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from providers.stores.database import Database, DatabaseConfig, open_database
from tests.integration.files.waiting import wait_until
from tests.integration.stores.clients import check_stored, client, said
from tests.integration.stores.texts import postgres_config
from tests.support import postgres as postgres_server
from tests.support.process import NotInstalled

ROUNDS, MANY_ROUNDS = 3, 50


def test_a_killed_process_loses_nothing(config: DatabaseConfig, database: Database, tmp_path: Path, long: bool) -> None:
    acknowledged: list[str] = []
    for number in range(MANY_ROUNDS if long else ROUNDS):
        with client(config, f"round-{number}", tmp_path / "log") as process:
            acknowledged.append(said(process).readline().strip())
            time.sleep(random.Random(number).random())
            process.send_signal(signal.SIGKILL)
            acknowledged += _complete(said(process).read())
        check_stored(database, acknowledged)

    assert (tmp_path / "log").read_text() == ""
    assert len(acknowledged) > 100


def test_a_killed_server_loses_nothing(tmp_path: Path, long: bool) -> None:
    """PostgreSQL is killed with all its processes while a client writes, which goes on when it is there again."""
    with ExitStack() as stack:
        try:
            cluster = stack.enter_context(postgres_server.prepared())
        except NotInstalled as missing:
            pytest.skip(str(missing))
        config = postgres_config(cluster.address)
        lines: list[str] = []
        with cluster.running(durable=True):
            process = stack.enter_context(client(config, "row", tmp_path / "log"))
            lines.append(said(process).readline())
            # It would wait for somebody to take its lines.
            reading = threading.Thread(target=lambda: lines.extend(said(process)))
            reading.start()
        for number in range(MANY_ROUNDS if long else ROUNDS):
            with cluster.running(durable=True) as server:
                before = len(lines)
                wait_until(lambda before=before: len(lines) > before)  # type: ignore[misc]
                time.sleep(random.Random(number).random() / 2)
                postgres_server.kill(server)
        process.kill()
        reading.join()
        with cluster.running(durable=True):
            database = open_database(config)
            check_stored(database, [line.strip() for line in lines if line.endswith("\n")])
            database.close_now()
        assert "cannot be used" in (tmp_path / "log").read_text()


def _complete(lines: str) -> list[str]:
    """Whole lines only: the last may be cut."""
    return lines.split("\n")[:-1]
