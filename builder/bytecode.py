"""Compile a staged tree's Python files, so that the image starts in half the time and never writes `.pyc`.

Bytecode belongs to one minor version of Python, not to a processor. Files are marked `unchecked-hash`:
valid whatever their timestamps say, and the same bytes on every build.
"""

import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from builder import command, loader, sandbox
from builder.base import Base

# Runs under the image's version of Python. Files that are no valid Python for it (templates, tests of syntax
# errors) are left uncompiled, as pip does; anything else that goes wrong ends the program.
_COMPILER = """
import py_compile, sys
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
root = sys.argv[1]
for name in sys.stdin.read().splitlines():
    try:
        py_compile.compile(root + name, dfile="/" + name, doraise=True, invalidation_mode=mode)
    except (py_compile.PyCompileError, UnicodeError, RecursionError):
        pass
"""
_OPTIONS = ("-I", "-S", "-B", "-W", "ignore", "-c", _COMPILER)
"""What the compiling Python has imported, and whether from bytecode of its own, changes the bytes: always the same."""


def compile_tree(root: Path, folders: Iterable[str], base: Base, compiler: Path | None) -> None:
    """Compile every `.py` below `folders` of `root` for the base's Python, with paths as they are in the image.

    `compiler` is the root of a tree of the same base for this machine's processor; its Python compiles, in a sandbox
    or, where none can be made, without. Where there is no such tree, and on other systems, a Python of the same minor
    version that uv finds or downloads takes its place (its patch level may change the bytes).
    """
    sources = [path for folder in folders for path in (root / folder).rglob("*.py")]
    names = sorted(path.relative_to(root).as_posix() for path in sources if not path.is_symlink())
    if compiler and not sandbox.why_unavailable():
        program = [base.interpreter, *_OPTIONS, "/mnt/"]
        run = sandbox.command(compiler, program, environment={"PYTHONHASHSEED": "0"}, work=root)
    elif compiler and sys.platform == "linux":
        run = ["env", "-i", "PYTHONHASHSEED=0", *loader.python(compiler, base.interpreter), *_OPTIONS, f"{root}/"]
    else:
        run = [command.host_python(base.python_version), *_OPTIONS, f"{root}/"]
    shares = [names[start :: sandbox.processors()] for start in range(sandbox.processors())]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda share: _compile(run, share), shares))


def _compile(run: list[str], names: list[str]) -> None:
    command.run(
        run,
        stdin="\n".join(names),
        environment={"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": ""},
        failure="the image's Python files could not be compiled",
    )
