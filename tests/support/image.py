"""The image under test: built once by the command of the README, then read, unpacked and run."""

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock

from builder import paths, sandbox
from builder.image import unpack
from tests.support.process import NotInstalled

TAG = "llama-stack-under-test:1"
UNPACKED = paths.BUILD / "unpacked"  # of this clone, also where a test has moved the folder for its own use


@dataclass(frozen=True)
class BuiltImage:
    """An archive and what the build said of it."""

    archive: Path
    result: dict[str, Any]

    @property
    def digest(self) -> str:
        """The image's digest."""
        return str(self.result["images"][0]["digest"])

    @cached_property
    def root(self) -> Path:
        """The image's file tree on disk."""
        UNPACKED.mkdir(parents=True, exist_ok=True)
        with FileLock(UNPACKED / "lock"):  # other workers want it too
            return unpack.archive(self.archive, UNPACKED)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The image's OCI config."""
        with tarfile.open(self.archive) as opened:
            name = json.load(opened.extractfile("manifest.json"))[0]["Config"]  # type: ignore[arg-type]
            config: dict[str, Any] = json.load(opened.extractfile(name))  # type: ignore[arg-type]
        return config

    def command(
        self, program: Sequence[str], environment: Mapping[str, str] | None = None, data: Path | None = None
    ) -> list[str]:
        """The command line that runs `program` in the image, without an engine, state in `data`."""
        if why := sandbox.why_unavailable():
            raise NotInstalled(f"the image cannot be run without an engine: {why}")
        variables = unpack.variables(self.config["config"]) | dict(environment or {})
        return sandbox.command(self.root, program, environment=variables, data=data)

    def run(
        self,
        *program: str,
        environment: Mapping[str, str] | None = None,
        data: Path | None = None,
        stdin: str | None = None,
        timeout: float = 180,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the image until it ends; `timeout` is in seconds."""
        command = self.command(program, environment, data)
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)


def build(
    clone: Path,
    output: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
    load: bool = False,
    python: Sequence[str] = (sys.executable,),
) -> BuiltImage:
    """Build in `clone` as a user would and read the result; raises AssertionError with what the build said.

    Without `load` no engine takes part. `python` is the command that starts Python.
    """
    command = [*python, "build.py", "--tag", TAG, "--output", str(output), "--json", *options]
    done = subprocess.run(
        command if load else [*command, "--no-load"],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == 0, done.stderr
    return BuiltImage(output, json.loads(done.stdout))
