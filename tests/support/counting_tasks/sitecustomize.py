"""For PYTHONPATH of a server: upon SIGUSR1 it writes how many tasks it has, into the file that COUNT_TASKS_IN names."""

import asyncio
import os
import signal
from pathlib import Path


def _write(number: int, frame: object) -> None:
    path = Path(os.environ["COUNT_TASKS_IN"])
    path.with_suffix(".new").write_text(str(len(asyncio.all_tasks())))
    path.with_suffix(".new").rename(path)


if "COUNT_TASKS_IN" in os.environ:
    signal.signal(signal.SIGUSR1, _write)
