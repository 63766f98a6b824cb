"""Options of the image's commands that have to do with the run config."""

import argparse
import os

from distribution.launch.config_search import ChosenConfig, choose_config


def add_config_options(parser: argparse.ArgumentParser, *, meaning: str) -> None:
    """Add the run config, as an argument or an option, and the variables that its `${env.NAME}` see."""
    parser.add_argument("config", nargs="?", metavar="RUN_CONFIG", help=meaning)
    parser.add_argument(
        "--config",
        "--yaml-config",
        dest="config_option",
        metavar="PATH",
        help="the same as RUN_CONFIG; manifests written for older images use it",
    )
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        type=_assignment,
        metavar="NAME=VALUE",
        help="set an environment variable; may be repeated",
    )


def chosen_config(
    parser: argparse.ArgumentParser, options: argparse.Namespace, *, searched: bool = True
) -> ChosenConfig:
    """Return the run config that was given, or the first of the places where one is `searched`.

    Ends with exit code 2 where two were given. Raises UserError (78) for one that cannot be read.
    """
    given = {path for path in (options.config, options.config_option) if path}
    if len(given) > 1:
        parser.error(f"two run configs were given, {' and '.join(sorted(given))}; give one")
    return choose_config(next(iter(given), None), os.environ if searched else {})


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value
