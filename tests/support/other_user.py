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


WITHOUT_ACCOUNT = 54321
"""A uid that no passwd file has, as OpenShift gives them."""


def nobody(clone: Path, scratch: Path) -> OtherUser:
    """The user `nobody`, who now owns `clone`, a folder in `scratch`; skips the test where only root could do this."""
    user = pwd.getpwnam("nobody")
    return _user(user.pw_uid, user.pw_gid, ("env", "HOME=/nonexistent"), clone, scratch)


def without_account(clone: Path, scratch: Path) -> OtherUser:
    """A uid without an account and without HOME, who now owns `clone`; skips the test as `nobody` does."""
    return _user(WITHOUT_ACCOUNT, 0, ("env", "-u", "HOME"), clone, scratch)


def _user(uid: int, gid: int, home: tuple[str, ...], clone: Path, scratch: Path) -> OtherUser:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    for path in (clone, *clone.rglob("*")):
        os.chown(path, uid, gid, follow_symlinks=False)
    open_the_way_to(scratch)
    # root's own Python is in a directory that nobody else may enter.
    prefix = Path(shutil.copytree(sys.base_prefix, scratch / "python", symlinks=True))
    return OtherUser(
        (*home, "setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"),
        prefix / "bin" / "python3",
        {"LD_LIBRARY_PATH": str(prefix / "lib")},
    )


def open_the_way_to(folder: Path) -> None:
    """Let every user search a folder and those above it, which pytest makes for its own user alone."""
    for part in (folder, *folder.parents):
        if not part.stat().st_mode & 0o001:
            part.chmod(part.stat().st_mode | 0o011)


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
