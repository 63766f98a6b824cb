"""`verify`: would this run config start here, or in this image?"""

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from distribution.launch.config_search import ChosenConfig
from distribution.launch.errors import BAD_CONFIG, BAD_FILE, OK, UserError
from distribution.launch.options import add_config_options, chosen_config
from distribution.verification import effective, manifests
from distribution.verification.findings import Finding
from distribution.verification.report import machine_report, termination_log, text_report
from distribution.verification.subject import Target
from distribution.verification.verify import Verdict, read, verify
from formats.environment_file import BadEnvironmentFile, variables

DESCRIPTION = """\
Say everything that would keep this image from serving a run config, and where it is written.

The run config may be a Kubernetes ConfigMap manifest with a run config in it. Exit codes: 0 it can be served,
78 it cannot (or, with --strict, there are warnings), 2 wrong arguments, 65 the environment file is wrong.
"""


def run(arguments: Sequence[str]) -> int:
    """Verify the config that the arguments name and print the verdict; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    given = _given_environment(options)
    if options.elsewhere:
        target = Target(given if options.env_file or options.env else None, here=False)
    else:
        os.environ.update(given)
        target = Target(os.environ, here=True)
    chosen = chosen_config(parser, options, searched=not options.elsewhere)
    with _without_logs():
        verdict = _verdict(chosen, target, options)
    if options.print_effective:
        _print_effective(verdict, chosen, target, options)
    elif options.json:
        print(machine_report.as_json(verdict, strict=options.strict))
    elif options.sarif:
        print(machine_report.as_sarif(verdict))
    else:
        _print(verdict)
    if verdict.passes(strict=options.strict):
        return OK
    termination_log.write(text_report.termination_message(verdict))
    return BAD_CONFIG


@contextlib.contextmanager
def _without_logs() -> Iterator[None]:
    """Keep out of the report what modules log while they are imported."""
    logging.disable()
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _verdict(chosen: ChosenConfig, target: Target, options: argparse.Namespace) -> Verdict:
    source = read(chosen.path, options.shown_as)
    if isinstance(source, Finding):
        return Verdict(source.file, chosen.reason, [source], seconds=0)
    return verify(manifests.unwrap(source), target, chosen.reason, probe=options.probe)


def _print(verdict: Verdict) -> None:
    if verdict.passes() and verdict.providers:
        text_report.provider_table(verdict)
        print()
    text_report.report(verdict, stream=sys.stdout)


def _print_effective(verdict: Verdict, chosen: ChosenConfig, target: Target, options: argparse.Namespace) -> None:
    """Print the config itself, and on stderr what there is to be said of it."""
    source = read(chosen.path, options.shown_as)
    if verdict.passes() and not isinstance(source, Finding):
        print(effective.effective_config(manifests.unwrap(source), target), end="")
    text_report.report(verdict, with_information=False)


def _given_environment(options: argparse.Namespace) -> dict[str, str]:
    """Read the variables of --env-file, those of --env over them."""
    from_file = read_environment_file(Path(options.env_file)) if options.env_file else {}
    return from_file | dict(options.env)


def read_environment_file(path: Path) -> dict[str, str]:
    """Read NAME=VALUE lines as `docker run --env-file` does. Raises UserError with exit code 65."""
    try:
        return {name: value for _, name, value in variables(path)}
    except BadEnvironmentFile as error:
        if error.line is None:
            raise UserError(f"The environment file {path} cannot be read: {error}.", BAD_FILE) from error
        raise UserError(f"{path}:{error.line}: this line {error}.", BAD_FILE) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="IMAGE verify", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config_options(parser, meaning="the run config to verify")
    parser.add_argument(
        "--env-file",
        metavar="FILE",
        help="more environment variables, as in `docker run --env-file`; --env has the last word, as there",
    )
    parser.add_argument(
        "--elsewhere",
        action="store_true",
        help="the config is for another machine: do not look at this one's directories, ports and variables "
        "(only --env and --env-file count; without them variables are taken as unknown)",
    )
    parser.add_argument(
        "--shown-as",
        metavar="NAME",
        help="call the run config so in the report: its path outside of the container, where code hosts look for it",
    )
    parser.add_argument("--probe", action="store_true", help="connect to each remote service too, 3 s at most")
    parser.add_argument("--strict", action="store_true", help="fail on warnings as well")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print JSON")
    output.add_argument(
        "--print-effective",
        action="store_true",
        help="print the config as it is served: variables expanded, what is off left out, secrets masked",
    )
    output.add_argument("--sarif", action="store_true", help="print SARIF 2.1.0, for code hosts")
    return parser
