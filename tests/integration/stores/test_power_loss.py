"""The power fails at any moment: what was acknowledged before is on the disk."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.stores.clients import client, is_whole, said
from tests.integration.stores.texts import sqlite_config
from tests.support.power_loss import Call, Disk, calls, tracing
from tests.support.process import NotInstalled

ROWS = 1500  # more than fit between two checkpoints
FAILURES, MANY_FAILURES = 60, 3000


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """All that a client did on the way from an empty directory to a file with so many rows."""
    directory, logs = tmp_path_factory.mktemp("database"), tmp_path_factory.mktemp("logs")
    try:
        prefix = tracing(logs / "trace")
    except NotInstalled as missing:
        pytest.skip(str(missing))
    with client(sqlite_config(directory / "texts.db"), "row", logs / "errors", ROWS, prefix=prefix) as process:
        assert len(said(process).readlines()) == ROWS
        assert process.wait() == 0
    return list(calls(logs / "trace", directory))


def test_what_was_acknowledged_is_on_the_disk(events: list[Call], tmp_path: Path, long: bool) -> None:
    assert sum(call.name == "fdatasync" and call.path.endswith("texts.db") for call in events) > 1  # checkpoints
    assert _lost(events, tmp_path, MANY_FAILURES if long else FAILURES) == set()


def test_without_waiting_for_the_disk_it_would_be_lost(events: list[Call], tmp_path: Path) -> None:
    """The test above can fail: `synchronous=NORMAL` waits for the log only before it is copied into the file."""
    careless = []
    following = ""
    for call in reversed(events):
        if call.name != "fdatasync" or not call.path.endswith("-wal") or following.endswith("texts.db"):
            careless.append(call)
        following = call.path or following
    careless.reverse()

    assert _lost(careless, tmp_path, FAILURES) != set()


def _lost(events: list[Call], scratch: Path, failures: int) -> set[str]:
    """What was acknowledged and is gone after a failure, of so many at random moments."""
    dice = random.Random(failures)
    moments = set(dice.sample(range(len(events)), failures))
    disk, acknowledged, lost = Disk(), set[str](), set[str]()
    for number, call in enumerate(events):
        if call.path:
            disk.happen(call)
        else:
            acknowledged.add(call.data.decode().strip())
        if number in moments:
            stored = _recovered(disk.after_a_failure(dice), scratch / str(number))
            assert is_whole(stored)
            lost |= acknowledged - stored
    return lost


def _recovered(files: dict[str, bytes], directory: Path) -> set[str]:
    """The ids that SQLite finds in what was left of its files."""
    directory.mkdir()
    for path, content in files.items():
        (directory / Path(path).name).write_bytes(content)
    with closing(sqlite3.connect(directory / "texts.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if not connection.execute("SELECT * FROM sqlite_master WHERE name = 'texts'").fetchall():
            return set()
        found = {text_id for (text_id,) in connection.execute("SELECT id FROM texts")}
    for file in directory.iterdir():
        file.unlink()
    return found
