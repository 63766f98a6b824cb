"""Run a program inside an image's file tree without an engine: an unprivileged Linux namespace.

util-linux's `unshare` maps the caller to root in a user namespace of its own; nothing of the host changes.
Where there is no such thing an engine does the verifying; on Linux builder/loader.py compiles all the same.
"""

import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

STOP_SECONDS = 15
"""How long a program may take to stop when asked."""

PATH = "/usr/local/bin:/usr/bin:/bin"

# $1 the root, $2 what /data shall be or "", $3 what /mnt shall be or "", the rest: what to run.
_ENTER = r"""
PATH=$PATH:/usr/sbin:/sbin  # where Debian keeps chroot
root=$1 data=$2 work=$3; shift 3
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
[ -z "$data" ] || mount --bind "$data" "$root/data"
[ -z "$work" ] || mount --bind "$work" "$root/mnt"
for file in etc/resolv.conf etc/hosts; do
    [ ! -e "/$file" ] || [ ! -e "$root/$file" ] || mount --bind "/$file" "$root/$file"
done
mount -o remount,bind,ro "$root" 2>/dev/null || true
exec chroot "$root" "$@"
"""


@functools.cache
def why_unavailable() -> str:
    """Why no sandbox can be made on this machine; empty if one can."""
    if not shutil.which("unshare"):
        return "util-linux's unshare is not installed here"
    probe = ["unshare", *_OPTIONS, "true"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"this machine forbids user namespaces ({done.stderr.strip()})"


_OPTIONS = ("--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child")


def command(
    root: Path,
    program: Sequence[str],
    *,
    environment: Mapping[str, str],
    data: Path | None = None,
    work: Path | None = None,
) -> list[str]:
    """The command line that runs `program` in `root`, with only `environment` set.

    The tree is read-only; /tmp is memory, /data the host directory `data`, /mnt the host directory `work`.
    """
    variables = [f"{name}={value}" for name, value in {"PATH": PATH, **environment}.items()]
    entering = ["sh", "-ec", _ENTER, "enter", str(root), str(data or ""), str(work or "")]
    return ["unshare", *_OPTIONS, *entering, "/usr/bin/env", "-i", *variables, *program]


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a program started with `command`: politely, then for good.

    `unshare` itself ignores SIGTERM, so the signal goes to the program below it.
    """
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    except FileNotFoundError:
        children = []
    for child in children:
        os.kill(int(child), signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # --kill-child takes the program with it
        process.wait()


def processors() -> int:
    """How many programs to run side by side."""
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
