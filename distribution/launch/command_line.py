"""The image's command line: serve, verify, list providers, or run another program."""

import argparse
import difflib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType

from distribution.launch import garbage_collection
from distribution.launch.errors import OK, USAGE, UserError
from distribution.launch.options import add_config_options, chosen_config
from distribution.verification.report import termination_log

HELP = """\
Serve a Llama Stack distribution.

  IMAGE                              serve the run config found as said below
  IMAGE /etc/llama-stack/run.yaml    serve this one
  IMAGE verify [...]                 say everything that is wrong with a run config (verify --help)
  IMAGE providers [--json]           list the providers this image ships
  IMAGE advisories [--json]          list the security defects of llama-stack that this image mends
  IMAGE llama ...                    llama-stack's own command line
  IMAGE PROGRAM ...                  run another program, as in `sh` or `python -c ...`
"""
CONFIG_HELP = """\
The run config is the first of: the one on the command line, $RUN_CONFIG_PATH, $LLAMA_STACK_CONFIG,
/etc/llama-stack/run.yaml, /etc/llama-stack/config.yaml, the image's own /opt/llama-stack/run.yaml.
One that was asked for and is not there is an error.

The port is the first of: --port, $LLAMA_STACK_PORT, server.port in the run config, 8321. The address is the first of:
$LLAMA_STACK_HOST, server.host in the run config, all of them.

Exit codes: 0 stopped as asked, 1 failed, 2 wrong arguments, 65 a file is wrong, 78 the run config is wrong.
"""


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say and return the exit code."""
    try:
        if arguments and not arguments[0].startswith("-"):
            return _run_first_word(arguments[0], arguments[1:])
        return _serve(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _run_first_word(word: str, rest: Sequence[str]) -> int:
    if command := COMMANDS.get(word):
        return command(rest)
    if _names_a_config(word):
        return _serve([word, *rest])
    if program := shutil.which(word):
        sys.stdout.flush()
        os.execv(program, [word, *rest])  # noqa: S606 (no shell is wanted)
    raise UserError(_unknown_word(word), USAGE)


def _names_a_config(word: str) -> bool:
    return word.endswith((".yaml", ".yml")) or (os.path.isfile(word) and not os.access(word, os.X_OK))


def _unknown_word(word: str) -> str:
    close = difflib.get_close_matches(word, [*COMMANDS, "llama"], n=1)
    advice = f"Did you mean `{close[0]}`?" if close else "See --help."
    return f"`{word}` is neither a run config, a command nor a program in this image. {advice}"


def _serve(arguments: Sequence[str]) -> int:
    # Early, since the first process of a container ignores a SIGTERM that nobody handles. uvicorn has its own
    # handler while it serves, and hands the signal back to this one once the server has stopped.
    signal.signal(signal.SIGTERM, _stop)
    parser = _serve_parser()
    options = parser.parse_args(arguments)
    os.environ.update(options.env)
    try:
        chosen = chosen_config(parser, options)
    except UserError as error:
        termination_log.write(f"{error}\n")
        raise

    garbage_collection.put_off()
    from distribution.launch.serving import serve  # imports llama-stack, which takes a second

    return serve(chosen, options.port)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(OK)


def _serve_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="IMAGE",
        description=HELP,
        epilog=CONFIG_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_options(parser, meaning="the run config to serve")
    parser.add_argument("--port", type=_port, help="the port to listen on")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port number, 1 to 65535")
    return int(text)


def _list_providers(arguments: Sequence[str]) -> int:
    from distribution.upstream import shipped

    parser = argparse.ArgumentParser(prog="IMAGE providers", description="List the providers this image ships.")
    parser.add_argument("--json", action="store_true", help="as a JSON list")
    options = parser.parse_args(arguments)
    providers = shipped.shipped_providers()
    print(shipped.as_json(providers) if options.json else shipped.as_table(providers))
    return OK


def _list_advisories(arguments: Sequence[str]) -> int:
    from distribution.upstream import advisories

    description = "List what was found insecure in this llama-stack, and what the image does about each."
    parser = argparse.ArgumentParser(prog="IMAGE advisories", description=description)
    parser.add_argument("--json", action="store_true", help="as a JSON list")
    options = parser.parse_args(arguments)
    found = advisories.advisories()
    print(advisories.as_json(found) if options.json else advisories.as_text(found))
    return OK


def _verify(arguments: Sequence[str]) -> int:
    from distribution.launch import verify_command

    return verify_command.run(arguments)


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "verify": _verify,
    "providers": _list_providers,
    "advisories": _list_advisories,
}
