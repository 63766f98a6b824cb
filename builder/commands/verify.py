"""`build.py verify --config ...`: would this run config start in the image that a build would make here?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder import arguments, paths
from builder.arguments import Parser
from builder.commands import Command, register


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to verify. `passed_on` are options of the image's own `verify`.

    The environment is the target's; where neither a file nor a variable is given, nobody knows it.
    """

    config: Path
    env_file: Path | None
    environment: Mapping[str, str]
    added: Sequence[str]
    removed: Sequence[str]
    passed_on: Sequence[str]


def add_arguments(parser: Parser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "--config",
        type=Path,
        default=paths.RUN_CONFIG,
        metavar="PATH",
        help="a run config, or a Kubernetes ConfigMap manifest with one in it (default: run.yaml)",
    )
    parser.add_argument(
        "--env-file",
        type=Path,
        metavar="FILE",
        help="the target's environment, NAME=VALUE lines; without it and --env variables are taken as unknown",
    )
    arguments.add_environment(parser, "one variable of the target's environment")
    arguments.add_providers(parser)
    passed_on = {"--probe": "connect to each remote service too, 3 s at most", "--strict": "fail on warnings as well"}
    for name, meaning in passed_on.items():
        parser.add_argument(name, action="append_const", dest="passed_on", const=name, default=[], help=meaning)
    output = parser.add_mutually_exclusive_group()
    kinds = {
        "--json": "print JSON",
        "--print-effective": "print the config: variables expanded, what is off left out, secrets masked",
        "--sarif": "print SARIF 2.1.0, for code hosts",
    }
    for name, meaning in kinds.items():
        output.add_argument(name, action="append_const", dest="passed_on", const=name, help=meaning)


def run(options: Options) -> int:
    """Print the report; the exit code is 0 if the config can be served, 78 if not."""
    from builder import config_verification

    return config_verification.verify(options)


register(
    Command(
        name="verify",
        summary="would this run config start in the image that a build would make here?",
        description="Say everything that would keep the image from serving a run config, and where it is written.\n"
        "The config is for another machine: nothing is asked of this one's directories, ports and variables.",
        epilog="exit codes: 0 it can be served, 78 it cannot, 2 usage, 65 the environment file is wrong",
        add_arguments=add_arguments,
        options=Options,
        run=run,
    )
)
