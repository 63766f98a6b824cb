"""What the benchmarks read of processes and databases."""

import os
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

from benchmarks import state, usage
from benchmarks.usage import OtherPrograms

# Takes 0.3 s of a processor, half of it in a child that has ended, and then waits.
_WORK = """
import os, time
def work(seconds):
    while time.process_time() < seconds: pass
if os.fork() == 0:
    work(0.15)
    os._exit(0)
os.wait()
work(0.15)
print("done", flush=True)
input()
"""


def test_what_children_took_counts_too() -> None:
    words = ["sh", "-c", '"$0" -c "$1"; true', sys.executable, _WORK]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        assert shell.stdout
        assert shell.stdout.readline() == b"done\n"
        taken = usage.cpu_seconds(shell.pid)
        shell.communicate(b"\n")
    assert taken >= 0.25  # it is counted in hundredths, for each process


def test_sockets_threads_and_descriptors_are_counted() -> None:
    before = usage.held(os.getpid())
    ended = threading.Event()
    with socket.socket(), Path(os.devnull).open():
        thread = threading.Thread(target=ended.wait)
        thread.start()
        now = usage.held(os.getpid())
        ended.set()
        thread.join()
    assert (now.sockets - before.sockets, now.descriptors - before.descriptors) == (1, 2)
    assert now.threads - before.threads == 1
    assert now.memory > 1_000_000


def test_what_this_process_does_is_not_the_load_of_others() -> None:
    idle, total = _machine()
    beside = OtherPrograms()
    began = os.times().user
    while os.times().user - began < 0.3:
        pass
    others = beside.share
    idle, total = (now - before for now, before in zip(_machine(), (idle, total), strict=True))
    assert others <= 100 * (total - idle - 0.2 * usage.TICK) / total


def _machine() -> tuple[int, int]:
    """Ticks of all processors in which they did nothing, and all."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def test_ids_of_every_table_are_found(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db")) as database:
        database.execute("CREATE TABLE completions (id TEXT, model TEXT)")
        database.execute('CREATE TABLE "other ones" (key TEXT)')
        database.executemany("INSERT INTO completions VALUES (?, 'm')", [("a",), ("b",)])
        database.commit()
    assert state.stored_ids(tmp_path) == {"a", "b"}
