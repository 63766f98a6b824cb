"""Several processes on one database: workers on a SQLite file, replicas on PostgreSQL."""

from contextlib import ExitStack
from pathlib import Path

from providers.stores.database import Database, DatabaseConfig
from tests.integration.stores.clients import check_stored, client, said

PROCESSES, ROWS = 4, 900


def test_processes_do_not_lose_what_the_others_write(
    config: DatabaseConfig, database: Database, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with ExitStack() as stack:
        processes = [stack.enter_context(client(config, f"process-{one}", log, ROWS)) for one in range(PROCESSES)]
        acknowledged = [line.strip() for process in processes for line in said(process)]
        codes = [process.wait() for process in processes]

    assert codes == [0] * PROCESSES
    assert log.read_text() == ""  # no `database is locked`
    assert len(acknowledged) == PROCESSES * ROWS
    check_stored(database, acknowledged)
