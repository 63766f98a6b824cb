"""Run programs as a user without rights and without a home."""

import os
import pwd
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def as_nobody() -> Iterator[None]:
    """Let this process be the user `nobody` while the body runs, where it is root's."""
    if os.geteuid() != 0:
        yield
        return
    user, groups = pwd.getpwnam("nobody"), os.getgroups()
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, 0)
    os.setresuid(user.pw_uid, user.pw_uid, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        os.setgroups(groups)
