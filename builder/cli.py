"""The command line: which command is meant, one call, one line if it goes wrong."""

import argparse
import os
import sys
import traceback
from collections.abc import Mapping, Sequence

from builder import commands, network, progress, room
from builder.arguments import Parser
from builder.commands import Command
from builder.ending import Ended
from builder.errors import KitError, NoRoomError, UsageError, did_you_mean, of_system

DEFAULT = "build"
"""The command that is meant where none is named."""

INTERRUPTED = 130
TERMINATED = 143

DESCRIPTION = """\
Build a custom Llama Stack distribution as a container image, verify it, serve it, push it.
No container engine, no root and no compiler is needed.

first steps:
  python build.py --tag llama-stack:0.3.3          writes dist/llama-stack-0.3.3.tar
  python build.py run --tag llama-stack:0.3.3      serves it on http://127.0.0.1:8321
  python build.py verify --config my-run.yaml      would it serve this run config?
  python build.py --tag llama-stack:milvus --with vector_io=inline::milvus
"""

EPILOG = """\
Each command says more: `build.py build --help`, `build.py push --help`, ...

with every command:
  --build-dir DIR  keep .venv/, build/ and dist/ in DIR and leave the clone as it is; also LLAMA_STACK_BUILD_DIR=DIR

exit codes: 0 done, 1 failed, 2 usage, 65 a file of yours is wrong, 69 a service is unreachable or refuses,
73 output cannot be written, 78 a run config is wrong, 130 interrupted,
143 terminated. DEBUG=1 shows tracebacks.
"""


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    try:
        return _dispatch(arguments)
    except KitError as error:
        _report(error)
        return error.exit_code
    except KeyboardInterrupt:
        progress.err.print("interrupted; nothing half-written is left, and the next build goes on from here")
        return INTERRUPTED
    except Ended as ended:
        progress.err.print("told to end; nothing half-written is left, and the next build goes on from here")
        return int(ended.code or TERMINATED)
    except OSError as error:
        failure = of_system(error)
        _report(failure)
        return failure.exit_code


def _dispatch(arguments: Sequence[str]) -> int:
    known = commands.load()
    words = _with_command(arguments, known)
    namespace, strange = _parser(known).parse_known_args(words)
    read = vars(namespace)
    command = known[read.pop("command")]
    if strange:
        raise UsageError(f"build.py {command.name}: {' '.join(strange)} was not expected")
    return command.run(command.options(**read))


def _with_command(words: Sequence[str], known: Mapping[str, Command]) -> list[str]:
    """The command line with a command's name before it, which may be left out before options."""
    first = words[0] if words else ""
    if first in known or first in ("-h", "--help"):
        return list(words)
    if first and not first.startswith("-"):
        raise UsageError(
            f"build.py has no command `{first}`{did_you_mean(first, known)}",
            f"the commands are {', '.join(known)}; an image is built by: python build.py --tag NAME[:TAG]",
        )
    return [DEFAULT, *words]


def _parser(known: Mapping[str, Command]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="build.py",
        usage="build.py --tag NAME[:TAG] [OPTION ...]\n       build.py COMMAND [OPTION ...]",
        description=DESCRIPTION,
        epilog=f"{network.HELP}\n{EPILOG}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    listed = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", parser_class=Parser)
    for name, command in known.items():
        own = listed.add_parser(
            name,
            prog=f"build.py {name}",
            help=command.summary,
            description=command.description,
            epilog=command.epilog,
        )
        command.add_arguments(own)
    return parser


def _report(error: KitError) -> None:
    if os.environ.get("DEBUG"):
        traceback.print_exception(error, file=sys.stderr)
    lacking = f"\n{room.lacking()}" if isinstance(error, NoRoomError) else ""
    progress.error(error.message + lacking, error.advice)
