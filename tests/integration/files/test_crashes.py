"""kill -9 in the middle of uploads and deletes: nothing is lost, nothing stays behind."""

import hashlib
import random
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from openai import APIError
from openai.resources.files import Files

from tests.integration.files.serving import Home
from tests.integration.files.waiting import wait_until
from tests.support.stack_server import StackServer

ROUNDS, MANY_ROUNDS = 2, 50
CLIENTS = 4
# In one write, in one S3 request, and in several parts.
SIZES = [100, 300_000, 3_000_000, 11_000_000]
LONGEST_LIFE_SECS = 2.0


@dataclass
class Ledger:
    """What the clients know; a file's name is the SHA-256 of its content."""

    # Uploaded, and nobody has tried to remove it.
    kept: set[str] = field(default_factory=set)
    # Removed, and the server said so.
    removed: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def use(self, files: Files, rng: random.Random) -> None:
        """Upload and remove until the server dies."""
        try:
            while True:
                self._upload(files, rng)
                if rng.random() < 0.5:
                    self._remove(files)
        except APIError:
            return

    def _upload(self, files: Files, rng: random.Random) -> None:
        content = rng.randbytes(rng.choice(SIZES))
        file = files.create(file=(hashlib.sha256(content).hexdigest(), content), purpose="assistants")
        with self.lock:
            self.kept.add(file.id)

    def _remove(self, files: Files) -> None:
        with self.lock:
            if not self.kept:
                return
            file_id = self.kept.pop()
        files.delete(file_id)
        with self.lock:
            self.removed.add(file_id)


def test_a_killed_server_leaves_everything_in_order(home: Home, long: bool) -> None:
    ledger = Ledger()
    for number in range(MANY_ROUNDS if long else ROUNDS):
        with serve(home) as server:
            check(home, server, ledger)
            crash(server, ledger, random.Random(number))
    with serve(home) as server:
        check(home, server, ledger)
    assert ledger.kept
    assert ledger.removed


def serve(home: Home) -> AbstractContextManager[StackServer]:
    """Serve, and soon take an upload for dead."""
    return home.serve(abandoned_after_secs=2, sweep_interval_secs=0.2)


def crash(server: StackServer, ledger: Ledger, rng: random.Random) -> None:
    """Kill the server while clients use it."""
    clients = [
        threading.Thread(target=ledger.use, args=(server.openai.files, random.Random(rng.random())))
        for _ in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    time.sleep(rng.uniform(0, LONGEST_LIFE_SECS))
    server.program.process.kill()
    for client in clients:
        client.join()


def check(home: Home, server: StackServer, ledger: Ledger) -> None:
    """Compare rows, contents and what the clients know, and wait for the sweep to remove the rest."""
    files = server.openai.files
    listed = {file.id: file for file in files.list()}
    assert ledger.kept <= set(listed)
    assert not ledger.removed & set(listed)
    for file in listed.values():
        assert hashlib.sha256(files.content(file.id).read()).hexdigest() == file.filename
    wait_until(lambda: home.place.objects() == set(listed) and not home.place.unfinished())
    for file_id in sorted(listed)[:-10]:  # A few are enough for the next round.
        files.delete(file_id)
        ledger.kept.discard(file_id)
        ledger.removed.add(file_id)
