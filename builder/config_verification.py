"""Would a run config start in the image that a build would make here?

The image's own `verify` answers, in the tree that a build would stage.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from builder import environment_files, loader, paths, payload, run_configs, sandbox, staging
from builder.errors import KitError
from builder.stage import Stage

if TYPE_CHECKING:
    from builder.commands.verify import Options

VERDICTS = (0, 78)
"""Exit codes with which `verify` answers."""

_CONFIG, _VARIABLES = "run.yaml", "variables"
_WORK_IN_SANDBOX = "/mnt"
_OF_THE_TERMINAL = ("TERM", "NO_COLOR")


def verify(options: "Options") -> int:
    """Print the report and return the exit code: 0 if the config can be served, 78 if not."""
    config = run_configs.content(options.config)
    variables = environment_files.read(options.env_file) if options.env_file else {}
    variables |= options.environment
    with staging.one_at_a_time(), tempfile.TemporaryDirectory(prefix="llama-stack-") as scratch:
        work = Path(scratch)
        (work / _CONFIG).write_bytes(config)
        passed_on = environment_files.write(work / _VARIABLES, variables)
        return _run(staging.whole_tree(options.added, options.removed), work, options, passed_on)


def _environment_is_known(options: "Options") -> bool:
    return bool(options.env_file or options.environment)


def _run(tree: Stage, work: Path, options: "Options", passed_on: dict[str, str]) -> int:
    """Ask the tree's `verify`, in a sandbox or, where none can be made, without.

    `passed_on` are variables of the target that it finds in its own environment.
    """
    of_terminal = {name: os.environ[name] for name in _OF_THE_TERMINAL if name in os.environ}
    environment = {**of_terminal, **passed_on, **payload.ENVIRONMENT}
    if not (why := sandbox.why_unavailable()):
        program = [*payload.ENTRYPOINT, *_arguments(_WORK_IN_SANDBOX, options)]
        words = sandbox.command(tree.root, program, environment=environment, work=work)
        environment = dict(os.environ)  # for what makes the sandbox
    elif sys.platform == "linux":
        words = [*loader.python(tree.root, tree.base.interpreter), *payload.ENTRYPOINT[1:]]
        words += _arguments(str(work), options)
        environment |= {"PYTHONPATH": f"{tree.root / payload.HOME}:{tree.site}"}
        environment |= {"HOME": str(work), "LLAMA_STACK_CONFIG_DIR": str(work)}
    else:
        mounted = f"-v {options.config.resolve()}:/run.yaml"
        raise KitError(
            f"the image's own `verify` does not run here: {why}",
            f"build the image and ask that: docker run --rm {mounted} IMAGE verify /run.yaml --elsewhere",
        )
    status = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, check=False).returncode
    if status not in VERDICTS:
        raise KitError(f"`verify` ended with exit code {status} instead of a verdict")
    return status


def _arguments(place: str, options: "Options") -> list[str]:
    words = ["verify", f"{place}/{_CONFIG}", "--shown-as", paths.shown(options.config), "--elsewhere"]
    if _environment_is_known(options):
        words += ["--env-file", f"{place}/{_VARIABLES}"]
    return [*words, *options.passed_on]
