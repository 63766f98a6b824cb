"""Make the kit's own environment, `.venv`, and go on inside it.

Runs on any Python from 3.9 with the standard library and pip (or uv) alone: pip brings the locked uv into a
folder of its own, uv finds (or downloads) Python 3.12 and installs the hashed lock. No `ensurepip`, no
`venv` module, no root. A new environment is made beside the ready one and takes its place when it is complete.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, NoReturn, Optional, Tuple

from builder import network, paths, room

ENVIRONMENT = paths.ENVIRONMENT
NEW = ENVIRONMENT.with_name(ENVIRONMENT.name + ".new")
"""The environment that is being made."""
OLD = ENVIRONMENT.with_name(ENVIRONMENT.name + ".old")
"""The one before, for the moment in which the new one takes its place."""
UV_DIRECTORY = paths.BUILD / "uv"

OLDEST_START = (3, 9)
SUPPORTED = ((3, 12), (3, 13))

EXIT_FAILED = 1
EXIT_UNREACHABLE = 69
EXIT_INTERRUPTED = 130
EXIT_NOT_WRITTEN = 73


def enter_environment(name: str, argv: List[str]) -> None:
    """Return if this process already runs in an up-to-date `.venv`; otherwise make it and start there.

    `name` is the lock to install, `build` or `test`; `test` holds everything `build` does.
    """
    if sys.version_info < OLDEST_START:
        _stop("Python 3.9 or later is needed to start; this is {}.{}.".format(*sys.version_info))
    if not _runs_inside():
        os.environ[network.STARTED_WITH] = sys.executable
    os.environ.update(_folders_of_uv(os.environ))
    if not _is_current(name):
        _refuse_unwritable()
        with _interruptible(), _alone():
            _put_back()
            if not _is_current(name):  # another process may have made it meanwhile
                _make(name)
        _restart(argv)
    if not _runs_inside():
        _restart(argv)


def _runs_inside() -> bool:
    return Path(sys.prefix).resolve() == ENVIRONMENT.resolve()


def _refuse_unwritable() -> None:
    """Stop where nothing can be made, as in a read-only clone, before pip says so in its own way."""
    beside = ENVIRONMENT if os.path.ismount(str(ENVIRONMENT)) else ENVIRONMENT.parent
    for folder in (beside, paths.BUILD):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            reason = "" if os.access(str(folder), os.W_OK) else "this user may not write there"
        except OSError as error:
            reason = str(error.strerror)
        if reason:
            _stop(f"{folder} cannot be written: {reason}\n  -> {paths.ELSEWHERE}", EXIT_NOT_WRITTEN)


def _folders_of_uv(environment: Mapping[str, str]) -> Dict[str, str]:
    """Folders in build/ for what uv keeps, where the user has no home that can be written, as in many CI containers."""
    found = {}
    home = paths.home()
    for variable, base, below, name in (
        ("UV_CACHE_DIR", "XDG_CACHE_HOME", ".cache", "uv"),
        ("UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME", ".local/share", "uv/python"),
    ):
        if variable in environment or os.name == "nt":
            continue
        folder = environment.get(base) or (home / below if home else None)
        if folder is None or not _can_be_written(Path(folder, name)):
            found[variable] = str(paths.BUILD / variable.lower().replace("_dir", "").replace("_", "-"))
    return found


def _can_be_written(folder: Path) -> bool:
    """Whether the folder, or the nearest one above it that is there, lets this user write."""
    nearest = next(place for place in (folder, *folder.parents) if os.path.isdir(str(place)))
    return os.access(str(nearest), os.W_OK)


def _python(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _lock(name: str) -> Path:
    lock = paths.REQUIREMENTS / (name + ".lock")
    if not lock.is_file():
        _stop(f"{lock} is missing: this clone is incomplete (git checkout requirements/).")
    return lock


def _lock_digest(name: str) -> str:
    return hashlib.sha256(_lock(name).read_bytes()).hexdigest()


def _marker(environment: Path, name: str) -> Path:
    """The file whose content says which version of lock `name` is installed, written last."""
    return environment / f".{name}.lock.sha256"


def _is_current(name: str) -> bool:
    for candidate in {name, "test"}:  # the test environment serves builds as well
        marker = _marker(ENVIRONMENT, candidate)
        if marker.is_file() and marker.read_text() == _lock_digest(candidate):
            return _python(ENVIRONMENT).exists()
    return False


def _make(name: str) -> None:
    """Make the environment beside the one that is there, which stays as it is until the new one is complete.

    Only a `.venv` that is a mount, as development containers have it, is made anew in its place: it has no other name.
    """
    place = ENVIRONMENT if os.path.ismount(str(ENVIRONMENT)) else NEW
    print(f"Preparing .venv from requirements/{name}.lock (once; build.py goes on by itself)", file=sys.stderr)
    try:
        uv = _uv()
        _make_virtual_environment(uv, place)
        # Copies: programs that add a CA to an environment's certifi would change uv's cache through a hard link.
        sync = [str(uv), "pip", "sync", "--quiet", "--link-mode=copy", "--require-hashes"]
        _run(
            [*sync, "--python", str(_python(place)), str(_lock(name))],
            f"the packages of requirements/{name}.lock could not be installed",
            network.for_uv(),
        )
        _marker(place, name).write_text(_lock_digest(name))
        if place == NEW:
            _put_in_place()
    finally:
        _remove(NEW)


def _put_in_place() -> None:
    """Rename the new environment to `.venv`."""
    _remove(OLD)
    if os.path.lexists(str(ENVIRONMENT)):
        ENVIRONMENT.rename(OLD)
    NEW.rename(ENVIRONMENT)
    _remove(OLD)


def _put_back() -> None:
    """Take the old environment again if a process was killed between the two renames."""
    if os.path.lexists(str(OLD)) and not os.path.lexists(str(ENVIRONMENT)):
        OLD.rename(ENVIRONMENT)


def _remove(environment: Path) -> None:
    if environment.is_symlink():
        environment.unlink()
    else:
        shutil.rmtree(str(environment), ignore_errors=True)


def _uv() -> Path:
    """The uv that requirements/uv.lock pins, installed on first use by a uv that is on PATH, or by pip."""
    uv = UV_DIRECTORY / "bin" / ("uv.exe" if os.name == "nt" else "uv")
    digest = _lock_digest("uv")
    marker = UV_DIRECTORY / ".uv.lock.sha256"
    if uv.is_file() and marker.is_file() and marker.read_text() == digest:
        return uv
    wanted = ["--quiet", "--upgrade", "--require-hashes", "--target", str(UV_DIRECTORY), "-r", str(_lock("uv"))]
    problem = ""
    for command, environment in _installers():
        done = _run_quietly([*command, "install", *wanted], environment)
        if done.returncode == 0:
            marker.write_text(digest)
            return uv
        problem = done.stderr
    if not problem:
        _stop("pip (or uv) is needed to start, and there is neither here; install one of them and retry.")
    _stop_unmade("uv could not be installed", problem)


def _installers() -> Iterator[Tuple[List[str], Dict[str, str]]]:
    """What installs packages here, and its variables."""
    installed = shutil.which("uv")
    if installed:
        yield [installed, "pip"], {**network.for_uv(), "UV_PYTHON": sys.executable}
    pip = network.pip().command
    if pip:
        # A pip.conf that asks for a virtual environment or for the user's folder does not mean a folder of the kit's.
        own = {"PIP_REQUIRE_VIRTUALENV": "0", "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        if paths.home() is None:
            own["PIP_NO_CACHE_DIR"] = "1"  # pip would make a folder named ~
        yield pip, {**own, **network.for_pip()}


def _make_virtual_environment(uv: Path, place: Path) -> None:
    """Create an environment on the first suitable Python: this one, one installed here, one uv downloads."""
    problem = ""
    for interpreter in [*_interpreters_here(), ".".join(map(str, SUPPORTED[0]))]:
        # Relocatable: its programs find their Python beside them, wherever it is renamed to.
        command = [str(uv), "venv", "--quiet", "--clear", "--relocatable", "--python", interpreter, str(place)]
        done = _run_quietly(command, network.for_uv())
        if done.returncode == 0:
            return
        problem = done.stderr
    _stop(
        "No Python 3.12 or 3.13 is installed here and uv could not download one:\n"
        + _last_lines(problem)
        + "\nInstall Python 3.12 (or set UV_PYTHON_INSTALL_MIRROR to a mirror uv may download from) and retry.",
        EXIT_UNREACHABLE,
    )


def _interpreters_here() -> List[str]:
    """Interpreters to try in turn: this one if it will do, then what PATH and pyenv hold."""
    found: List[str] = []
    if sys.version_info[:2] in SUPPORTED:
        found.append(sys.executable)
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    home = paths.home()
    root = os.environ.get("PYENV_ROOT") or (home / ".pyenv" if home else None)
    pyenv = Path(root, "versions") if root else None
    for major, minor in SUPPORTED:
        program = f"python{major}.{minor}"
        candidates = [folder / program for folder in folders]
        if pyenv:
            candidates += [pyenv / name / "bin" / program for name in _names_in(pyenv, f"{major}.{minor}.")]
        found += [str(candidate) for candidate in candidates if _answers(candidate)]
    return found


def _names_in(folder: Path, prefix: str) -> List[str]:
    """The entries of a folder that begin so, newest version first; none if it cannot be read."""
    try:
        return sorted((name for name in os.listdir(str(folder)) if name.startswith(prefix)), reverse=True)
    except OSError:
        return []


def _answers(python: Path) -> bool:
    """Whether this really is an interpreter; pyenv's shims exist for versions that are not enabled."""
    try:
        return subprocess.run([str(python), "-c", ""], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _run(command: List[str], failure: str, environment: Mapping[str, str]) -> None:
    done = _run_quietly(command, environment)
    if done.returncode:
        _stop_unmade(failure, done.stderr)


def _run_quietly(command: List[str], environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def _last_lines(text: str, count: int = 12) -> str:
    return "\n".join("  " + line for line in text.strip().splitlines()[-count:])


@contextmanager
def _alone() -> Iterator[None]:
    """Keep other processes from making the environment at the same time, where the file system can."""
    if os.name == "nt":
        yield
        return
    import fcntl

    folder = os.open(str(ENVIRONMENT.parent), os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


@contextmanager
def _interruptible() -> Iterator[None]:
    """End with one line on Ctrl-C; builder/ending.py hears the other signals."""
    try:
        yield
    except KeyboardInterrupt:
        _stop("interrupted; nothing half-written is left", EXIT_INTERRUPTED)


def _restart(argv: List[str]) -> NoReturn:
    python = str(_python(ENVIRONMENT))
    command = [python, *argv]
    if os.name == "nt":
        sys.exit(subprocess.run(command, check=False).returncode)
    os.execv(python, command)  # noqa: S606 - the same program again, in its own environment


def _stop_unmade(failure: str, problem: str) -> NoReturn:
    """Stop because pip or uv failed: there is no room, or else something is out of reach."""
    if room.is_missing(problem):
        _stop(f"{failure}: a disk is full\n{_last_lines(problem)}\n{room.lacking()}", EXIT_NOT_WRITTEN)
    advice = "Check index, proxy and CA in your pip and uv settings (build.py --help says which count) and retry."
    if any(ENVIRONMENT.glob(".*.lock.sha256")):
        advice += "\nThe .venv that was there stays as it is."
    _stop(f"{failure}:\n{_last_lines(problem)}\n{advice}", EXIT_UNREACHABLE)


def _stop(message: str, code: Optional[int] = None) -> NoReturn:
    print("build.py: " + message, file=sys.stderr)
    sys.exit(EXIT_FAILED if code is None else code)
