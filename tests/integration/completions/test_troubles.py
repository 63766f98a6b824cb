"""When nothing can be stored requests are answered all the same, and the log and the health say what is lost."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.files.waiting import wait_until
from tests.support import scripted_backend, small_disk
from tests.support.forwarder import forward
from tests.support.postgres import Postgres
from tests.support.run_configs import postgres_sql, run_config, vllm_provider
from tests.support.scripted_backend import ScriptedBackend
from tests.support.stack_server import StackServer, serve

REQUESTS = 30
LONG = "x" * 100_000


@pytest.fixture(scope="module")
def backend() -> Iterator[ScriptedBackend]:
    with scripted_backend.serve() as server:
        yield server


@contextmanager
def stack(backend: ScriptedBackend, directory: Path, **storage: Any) -> Iterator[StackServer]:
    with serve(run_config(directory, {"inference": [vllm_provider("vllm", backend.url)]}, **storage)) as server:
        yield server


def ask(server: StackServer, name: str, *, stream: bool = False) -> None:
    """Ask, and have the whole answer."""
    message: Any = {"role": "user", "content": LONG}
    answer: Any = server.openai.chat.completions.create(
        model="vllm/scripted", messages=[message], user=name, stream=stream
    )
    chunks = list(answer) if stream else []
    said = "".join(one.choices[0].delta.content or "" for one in chunks) or answer.choices[0].message.content
    assert said == f'You said: "{LONG}"'


def stored(server: StackServer) -> set[str]:
    return {one.id for one in server.openai.chat.completions.list()}


def health(server: StackServer) -> dict[str, Any]:
    answer = requests.get(f"{server.url}/v1/health", timeout=30)
    assert answer.status_code == 200
    return dict(answer.json())


def lines(server: StackServer) -> list[str]:
    """What the log says of stored completions."""
    log = re.sub(r"\s+", " ", server.program.log.read_text())
    return re.findall(r"A chat completion could not be stored|more chat completions could|are stored again", log)


def all_are_lost_and_it_is_said_once(server: StackServer) -> None:
    for number in range(REQUESTS):
        ask(server, f"lost-{number}", stream=number % 2 == 1)
    assert lines(server) == ["A chat completion could not be stored"]
    told = health(server)
    assert told["status"] == "OK"
    assert f"chat completions cannot be stored. Lost so far: {REQUESTS}." in told["detail"]
    assert LONG[:100] not in server.program.log.read_text()


def it_goes_on(server: StackServer) -> None:
    ask(server, "after")
    assert stored(server) == {"chatcmpl-before", "chatcmpl-after"}
    wait_until(lambda: lines(server)[-1] == "are stored again")
    assert health(server)["detail"].startswith(f"Chat completions are stored again. Lost: {REQUESTS},")


def test_a_database_that_is_away(backend: ScriptedBackend, postgres: Postgres, tmp_path: Path) -> None:
    database = postgres_sql(postgres.new_database())
    with ExitStack() as until_away, ExitStack() as back:
        port = until_away.enter_context(forward(postgres.port)).port
        server = back.enter_context(stack(backend, tmp_path, sql_backend={**database, "port": port}))
        ask(server, "before")
        assert health(server) == {"status": "OK"}

        until_away.close()
        all_are_lost_and_it_is_said_once(server)

        with forward(postgres.port, port):
            it_goes_on(server)


def test_a_disk_that_is_full(backend: ScriptedBackend, tmp_path: Path) -> None:
    with small_disk.mounted(tmp_path / "disk", 4) as disk, stack(backend, disk) as server:
        ask(server, "before")
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            while True:
                file.write(bytes(4096))

        all_are_lost_and_it_is_said_once(server)

        filler.unlink()
        it_goes_on(server)


def test_old_completions_go_and_others_are_stored_only_if_they_ask(backend: ScriptedBackend, tmp_path: Path) -> None:
    with stack(backend, tmp_path) as before:
        ask(before, "old")
        ask(before, "young")

    with sqlite3.connect(tmp_path / "sql.db") as database:
        database.execute("UPDATE inference_store SET stored_at = stored_at - 86401 WHERE id = 'chatcmpl-old'")

    config = run_config(tmp_path, {"inference": [vllm_provider("vllm", backend.url)]})
    with serve(config, {"STORE_CHAT_COMPLETIONS": "false", "STORED_COMPLETIONS_DAYS": "1"}) as after:
        wait_until(lambda: stored(after) == {"chatcmpl-young"})
        for store in (None, False, True):
            after.openai.chat.completions.create(
                model="vllm/scripted",
                messages=[{"role": "user", "content": "Hello"}],
                user=f"store-{store}",
                store=store,
            )
        assert stored(after) == {"chatcmpl-young", "chatcmpl-store-True"}
