"""Which run config is served, and why that one."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from distribution.launch.errors import BAD_CONFIG, UserError

BAKED_CONFIG = Path(__file__).resolve().parents[2] / "run.yaml"
USUAL_PLACES = (Path("/etc/llama-stack/run.yaml"), Path("/etc/llama-stack/config.yaml"))
VARIABLES = ("RUN_CONFIG_PATH", "LLAMA_STACK_CONFIG")


@dataclass(frozen=True)
class ChosenConfig:
    """A run config's path, and why it was chosen (`RUN_CONFIG_PATH`, `mounted there`, ...)."""

    path: Path
    reason: str


def choose_config(
    argument: str | None,
    environment: Mapping[str, str],
    usual_places: tuple[Path, ...] = USUAL_PLACES,
) -> ChosenConfig:
    """Find the run config: argument, variables, the usual places, the baked one.

    Raises UserError (exit code 78) when a file that was asked for, or that is there, cannot be read: what was
    asked for is never replaced by something else.
    """
    chosen = _first_choice(argument, environment, usual_places)
    _require_readable(chosen)
    return chosen


def _first_choice(argument: str | None, environment: Mapping[str, str], usual_places: tuple[Path, ...]) -> ChosenConfig:
    if argument:
        return ChosenConfig(Path(argument), "given on the command line")
    for name in VARIABLES:
        if value := environment.get(name):
            return ChosenConfig(Path(value), name)
    for place in usual_places:
        # A dangling link or a directory is there too, and an error rather than a reason to look further.
        if os.path.lexists(place):
            return ChosenConfig(place, "mounted there")
    return ChosenConfig(BAKED_CONFIG, "the image's own, since no other was given")


def _require_readable(chosen: ChosenConfig) -> None:
    path, reason = chosen.path, chosen.reason
    if os.path.isdir(path):  # which, unlike Path.is_dir(), raises nothing where this user may not look
        inside = ", ".join(sorted(str(file) for file in path.glob("*.y*ml"))) or "no YAML file"
        raise UserError(
            f"The run config {path} ({reason}) is a directory with {inside} in it. Name the file itself; "
            "where Kubernetes mounts a ConfigMap the file has the name of the key.",
            BAD_CONFIG,
        )
    try:
        with path.open("rb"):
            return
    except FileNotFoundError:
        problem = "is not there"
        advice = "Mount it at that path, or correct the path."
        if not path.is_absolute():
            advice = f"The path was looked for in {Path.cwd()}; give the whole path."
    except OSError as error:
        problem = f"cannot be read: {(error.strerror or str(error)).lower()}"
        advice = f"Make it readable for uid {_uid()}, for instance with `defaultMode: 0444` on its volume."
    raise UserError(f"The run config {path} ({reason}) {problem}. {advice}", BAD_CONFIG)


def _uid() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else "of this user"
