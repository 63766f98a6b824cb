"""Run programs as a user without rights and without a home."""

import os
import pwd
import shutil
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class OtherUser:
    """What stands before a command, the Python to start, and what the environment needs."""

    command: tuple[str, ...]
    python: Path
    environment: dict[str, str]


def nobody(clone: Path, scratch: Path) -> OtherUser:
    """The user `nobody`, who now owns `clone`, a folder in `scratch`; skips the test where only root could do this."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    user = pwd.getpwnam("nobody")
    for path in (clone, *clone.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    for parent in scratch.parents[:2]:
        parent.chmod(parent.stat().st_mode | 0o011)
    scratch.chmod(0o711)
    # root's own Python is in a directory that nobody else may enter.
    prefix = Path(shutil.copytree(sys.base_prefix, scratch / "python", symlinks=True))
    return OtherUser(
        ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
        prefix / "bin" / "python3",
        {"LD_LIBRARY_PATH": str(prefix / "lib"), "HOME": "/nonexistent"},
    )


def as_nobody(do: Callable[[], None]) -> None:
    """Call `do` in a forked process as the user `nobody`, or here where this is not root; raises AssertionError."""
    if os.geteuid() != 0:
        do()
        return
    user = pwd.getpwnam("nobody")
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        problem = ""
        try:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            do()
        except BaseException:
            problem = traceback.format_exc()
        finally:
            os.write(writing, problem.encode()[-60_000:])
            os._exit(1 if problem else 0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8", errors="replace") as said:
        problem = said.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, problem
