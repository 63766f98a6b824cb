"""Make the kit's own environment, `.venv`, and go on inside it.

Runs on any Python from 3.9 with the standard library and pip alone: pip brings the locked uv into a
folder of its own, uv finds (or downloads) Python 3.12 and installs the hashed lock. No `ensurepip`, no
`venv` module, no root.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import List, NoReturn, Optional

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
UV_DIRECTORY = ROOT / "build" / "uv"
REQUIREMENTS = ROOT / "requirements"

OLDEST_START = (3, 9)
SUPPORTED = ((3, 12), (3, 13))

EXIT_FAILED = 1
EXIT_UNREACHABLE = 69


def enter_environment(name: str, argv: List[str]) -> None:
    """Return if this process already runs in an up-to-date `.venv`; otherwise make it and start there.

    `name` is the lock to install, `build` or `test`; `test` holds everything `build` does.
    """
    if sys.version_info < OLDEST_START:
        _stop("Python 3.9 or later is needed to start; this is {}.{}.".format(*sys.version_info))
    _give_uv_a_cache()
    python = _environment_python()
    if not _is_current(name):
        _make(name, python)
    if Path(sys.prefix).resolve() != ENVIRONMENT.resolve():
        _restart(python, argv)


def _give_uv_a_cache() -> None:
    """Keep uv's cache in build/ where the user has no home that can be written, as in many CI containers."""
    if "UV_CACHE_DIR" in os.environ or os.name == "nt":
        return
    usual = Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache", "uv")
    nearest = next(folder for folder in (usual, *usual.parents) if folder.is_dir())
    if not os.access(str(nearest), os.W_OK):
        os.environ["UV_CACHE_DIR"] = str(ROOT / "build" / "uv-cache")


def _home() -> Path:
    """The home directory; `~` for a uid that has none."""
    return Path(os.path.expanduser("~"))


def _environment_python() -> Path:
    return ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _lock_digest(name: str) -> str:
    lock = REQUIREMENTS / (name + ".lock")
    if not lock.is_file():
        _stop(f"{lock} is missing: this clone is incomplete (git checkout requirements/).")
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def _marker(name: str) -> Path:
    """The file whose content says which version of lock `name` is installed, written last."""
    return ENVIRONMENT / f".{name}.lock.sha256"


def _is_current(name: str) -> bool:
    for candidate in {name, "test"}:  # the test environment serves builds as well
        marker = _marker(candidate)
        if marker.is_file() and marker.read_text() == _lock_digest(candidate):
            return _environment_python().exists()
    return False


def _make(name: str, python: Path) -> None:
    print(f"Preparing .venv from requirements/{name}.lock (once; build.py goes on by itself)", file=sys.stderr)
    uv = _uv()
    if not python.exists():
        _make_virtual_environment(uv)
    for stale in ENVIRONMENT.glob(".*.lock.sha256"):
        stale.unlink()
    lock = REQUIREMENTS / (name + ".lock")
    # Copies: programs that add a CA to an environment's certifi would change uv's cache through a hard link.
    _run(
        [str(uv), "pip", "sync", "--quiet", "--link-mode=copy", "--require-hashes", "--python", str(python), str(lock)],
        f"the packages of requirements/{name}.lock could not be installed",
    )
    _marker(name).write_text(_lock_digest(name))


def _uv() -> Path:
    """The uv that requirements/uv.lock pins, installed by pip on first use."""
    uv = UV_DIRECTORY / "bin" / ("uv.exe" if os.name == "nt" else "uv")
    digest = _lock_digest("uv")
    marker = UV_DIRECTORY / ".uv.lock.sha256"
    if uv.is_file() and marker.is_file() and marker.read_text() == digest:
        return uv
    lock = str(REQUIREMENTS / "uv.lock")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run(
        [*command, "--upgrade", "--require-hashes", "--target", str(UV_DIRECTORY), "-r", lock],
        "uv could not be installed with pip",
    )
    marker.write_text(digest)
    return uv


def _make_virtual_environment(uv: Path) -> None:
    """Create `.venv` on the first suitable Python: this one, one installed here, one uv downloads."""
    problem = ""
    for interpreter in [*_interpreters_here(), ".".join(map(str, SUPPORTED[0]))]:
        command = [str(uv), "venv", "--quiet", "--clear", "--python", interpreter, str(ENVIRONMENT)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
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
    pyenv = Path(os.environ.get("PYENV_ROOT") or _home() / ".pyenv") / "versions"
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    for major, minor in SUPPORTED:
        program = f"python{major}.{minor}"
        candidates = [folder / program for folder in folders]
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


def _run(command: List[str], failure: str) -> None:
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        advice = "Check the index in your pip and uv settings (proxy, mirror, CA) and retry."
        _stop(f"{failure}:\n{_last_lines(done.stderr)}\n{advice}", EXIT_UNREACHABLE)


def _last_lines(text: str, count: int = 12) -> str:
    return "\n".join("  " + line for line in text.strip().splitlines()[-count:])


def _restart(python: Path, argv: List[str]) -> NoReturn:
    command = [str(python), *argv]
    if os.name == "nt":
        sys.exit(subprocess.run(command, check=False).returncode)
    os.execv(str(python), command)  # noqa: S606 - the same program again, in its own environment


def _stop(message: str, code: Optional[int] = None) -> NoReturn:
    print("build.py: " + message, file=sys.stderr)
    sys.exit(EXIT_FAILED if code is None else code)
