#!/usr/bin/env python3
"""Build a Llama Stack distribution image: one line from what you want to what you run.

distribution/build.yaml -> requirements/image.lock -> staged tree -> layers -> image -> archive, engine, registry

Starts on any Python from 3.9; the rest of the kit runs in .venv, which this file makes.
"""

import os
import sys

from builder import ending


def main() -> int:
    """Run one command of the kit and return its exit code."""
    ending.listen()
    _move_build_directory()
    from builder import bootstrap

    environment = "test" if sys.argv[1:2] in (["test"], ["check"]) else "build"
    bootstrap.enter_environment(environment, sys.argv)
    from builder.cli import run

    code = run(sys.argv[1:])
    if ending.has_ended():
        ending.leave(code)
    return code


def _move_build_directory() -> None:
    """Move `--build-dir DIR` from the command line to the environment: paths are read from there, at first import."""
    for index, word in enumerate(sys.argv):
        option, equals, folder = word.partition("=")
        if option == "--build-dir":
            folder = folder if equals else "".join(sys.argv[index + 1 : index + 2])
            if not folder:
                print("build.py: --build-dir: the folder for .venv, build/ and dist/ was expected", file=sys.stderr)
                sys.exit(2)
            del sys.argv[index : index + (1 if equals else 2)]
            os.environ["LLAMA_STACK_BUILD_DIR"] = os.path.abspath(folder)  # noqa: PTH100 (no other import is needed)
            return


if __name__ == "__main__":
    sys.exit(main())
