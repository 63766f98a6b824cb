"""What commands take: a parser that abbreviates nothing and names near matches, and arguments that several share."""

import argparse
import os
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from builder import platforms, tags
from builder.errors import UsageError, did_you_mean
from builder.platforms import Platform

_NUMBER = re.compile(r"-\d+|-\d*\.\d+")


class Parser(argparse.ArgumentParser):
    """The parser of one command."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **settings)
        self._rest: str | None = None

    def pass_on_all(self, name: str, metavar: str) -> None:
        """Read no word of the command line but a lone --help: all go into the field `name`."""
        self._rest = name
        self.usage = f"{self.prog} {metavar}"

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Read a command line. Raises UsageError."""
        words = list(args or ())
        if self._rest and words not in (["-h"], ["--help"]):
            return argparse.Namespace(**{self._rest: words}), []
        self._refuse_unknown_options(words)
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(f"{self.prog}: {message}", f"python {self.prog} --help lists what it takes")

    def _refuse_unknown_options(self, words: Sequence[str]) -> None:
        """argparse would first complain of a required option, which may be the one that is misspelt."""
        for word in words:
            if word == "--":
                return
            option = word.partition("=")[0]
            if len(word) < 2 or not word.startswith("-") or " " in word or _NUMBER.fullmatch(word):
                continue  # a value
            if option not in self._option_string_actions:
                near = did_you_mean(option, [*self._option_string_actions, "--build-dir"])  # build.py takes that one
                self.error(f"there is no option {option}{near}")


class _Variable(argparse.Action):
    """Collects NAME=VALUE in a mapping; NAME alone has the value that it has in this process's environment."""

    def __call__(self, _: object, namespace: argparse.Namespace, word: Any, __: object = None) -> None:
        name, equals, value = word.partition("=")
        if not name or name.startswith("#") or name.split() != [name]:
            raise UsageError(
                "--env: NAME=VALUE was expected", "the name is not empty, has no blanks and no # before it"
            )
        collected = {**getattr(namespace, self.dest), name: value if equals else os.environ.get(name, "")}
        setattr(namespace, self.dest, collected)


def add_tag(parser: Parser, meaning: str, metavar: str = "NAME[:TAG]") -> None:
    """Add --tag to a parser."""
    parser.add_argument("--tag", required=True, type=tags.parse, metavar=metavar, help=meaning)


def add_environment(parser: Parser, meaning: str) -> None:
    """Add --env to a parser, as `environment`."""
    parser.add_argument(
        "--env", action=_Variable, default={}, dest="environment", metavar="NAME[=VALUE]", help=f"{meaning}; repeatable"
    )


def add_providers(parser: Parser) -> None:
    """Add --with and --without to a parser, as `added` and `removed`."""
    for option, name, meaning in (
        ("--with", "added", "ship this provider too, as in vector_io=inline::milvus; repeatable"),
        ("--without", "removed", "leave this provider out; repeatable"),
    ):
        parser.add_argument(option, action="append", default=[], dest=name, metavar="API=TYPE", help=meaning)


def add_platforms(parser: Parser, default: str) -> None:
    """Add --platform to a parser, as `platforms`."""
    parser.add_argument(
        "--platform",
        type=_platforms,
        default=default,
        dest="platforms",
        metavar="LIST",
        help=f"linux/amd64, linux/arm64 or both, with a comma between them (default: {default})",
    )


def _platforms(names: str) -> tuple[Platform, ...]:
    return tuple(platforms.parse(name) for name in dict.fromkeys(names.split(",")))


def add_debian_mirror(parser: Parser) -> None:
    """Add --debian-mirror to a parser."""
    meaning = "where dists/ and pool/ are (default: DEBIAN_MIRROR, else apt's sources)"
    parser.add_argument("--debian-mirror", metavar="URL", help=meaning)


def add_json(parser: Parser) -> None:
    """Add --json to a parser."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_plain_http(parser: Parser) -> None:
    """Add --plain-http to a parser."""
    parser.add_argument("--plain-http", action="store_true", help="speak HTTP without TLS to registries")
