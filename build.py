#!/usr/bin/env python3
"""Build a Llama Stack distribution image: one line from what you want to what you run.

distribution/build.yaml -> requirements/image.lock -> staged tree -> layers -> image -> archive, engine, registry

Starts on any Python from 3.9; the rest of the kit runs in .venv, which this file makes.
"""

import sys

from builder import bootstrap


def main() -> int:
    """Run one command of the kit and return its exit code."""
    environment = "test" if sys.argv[1:2] in (["test"], ["check"]) else "build"
    bootstrap.enter_environment(environment, sys.argv)
    from builder.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
