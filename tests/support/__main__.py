"""Serve by hand what the tests use, until interrupted: ``python -m tests.support NAME``."""

import importlib
import signal
import sys

from tests.support.process import NotInstalled, StartError

NAMES = {
    "docker": ("docker_engine", "serve"),
    "milvus": ("milvus", "serve"),
    "podman": ("podman", "serve"),
    "postgres": ("postgres", "serve"),
    "redis": ("redis", "serve"),
    "registry": ("registry", "serve"),
    "s3": ("s3", "serve"),
    "vllm": ("vllm", "serve"),
    "vllm-embedding": ("vllm", "serve_embedding"),
}


def main(arguments: list[str]) -> int:
    """Serve one part and print how to reach it."""
    if len(arguments) != 1 or arguments[0] not in NAMES:
        print(f"usage: python -m tests.support {{{','.join(NAMES)}}}", file=sys.stderr)
        return 2
    module, function = NAMES[arguments[0]]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with getattr(importlib.import_module(f"tests.support.{module}"), function)() as server:
            print(server, flush=True)
            signal.pause()
    except KeyboardInterrupt:
        return 130
    except (NotInstalled, StartError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
