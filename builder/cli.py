"""The command line: what the words mean, one call each, one line if it goes wrong."""

import argparse
import os
import platform
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path

from builder import network, paths, platforms, progress, tags
from builder.errors import KitError

COMMANDS = ("lock", "push", "run", "test", "verify")
INTERRUPTED = 130

EPILOG = """\
commands:
  build.py --tag NAME[:TAG]      build and verify an image (this page)
  build.py verify --config PATH  would this run config start in the image that a build would make here?
  build.py run --tag NAME[:TAG]  serve an image built here, with or without an engine
  build.py push --tag HOST/NAME[:TAG]  send an image built here to a registry, without an engine
  build.py lock [--upgrade]      look up package versions anew, and say what moved
  build.py test [PYTEST ...]     run the kit's tests

examples:
  python build.py --tag llama-stack:0.3.3
  python build.py --tag registry.internal/ai/llama-stack:0.3.3 --run-config my-run.yaml
  python build.py --tag llama-stack:milvus --with vector_io=inline::milvus
  python build.py --tag registry.internal/ai/llama-stack:0.3.3 --platform linux/amd64,linux/arm64 --push

exit codes: 0 done, 1 failed, 2 usage, 65 a file of yours is wrong, 69 a service is unreachable or refuses,
73 output cannot be written, 78 a run config is wrong, 130 interrupted. DEBUG=1 shows tracebacks.
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
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _report(KitError(f"{where}{error.strerror or error}"))
        return KitError.exit_code


def _dispatch(arguments: Sequence[str]) -> int:
    command = arguments[0] if arguments and arguments[0] in COMMANDS else None
    rest = list(arguments[1:] if command else arguments)
    if command == "test":
        from builder.commands import test

        return test.test(rest)
    if command == "verify":
        return _verify(rest)
    if command == "lock":
        _lock(rest)
    elif command == "push":
        _push(rest)
    elif command == "run":
        _run(rest)
    else:
        _build(rest)
    return 0


def _build(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="build.py",
        description="Build a Llama Stack distribution image and verify it. No container engine is needed; one that "
        "answers (Docker or Podman) gets the image loaded and verifies it under OpenShift's restrictions.",
        epilog=f"{network.HELP}\n{EPILOG}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    host = platforms.of_machine(platform.machine()).name
    add = parser.add_argument
    add("--tag", required=True, metavar="NAME[:TAG]", help="the image's name, as in llama-stack:0.3.3")
    add(
        "--run-config",
        type=Path,
        default=paths.RUN_CONFIG,
        metavar="PATH",
        help="baked in (default: run.yaml)",
    )
    add("--with", action="append", default=[], dest="added", metavar="API=TYPE", help="ship this provider too")
    add(
        "--without",
        action="append",
        default=[],
        dest="removed",
        metavar="API=TYPE",
        help="leave this provider out",
    )
    add("--platform", default=host, metavar="LIST", help=f"linux/amd64, linux/arm64 or both (default: {host})")
    add(
        "--base-image",
        metavar="REF",
        help="build on this image which has Python 3.12 or 3.13",
    )
    add("--output", type=Path, metavar="PATH", help="the archive (default: dist/NAME-TAG.tar)")
    add(
        "--debian-mirror",
        metavar="URL",
        help="where dists/ and pool/ are (default: DEBIAN_MIRROR, apt's sources)",
    )
    add(
        "--locked",
        action="store_true",
        help="fail rather than use another Debian version than the locked one",
    )
    add(
        "--containerfile",
        action="store_true",
        help="have an engine build ./Containerfile, and write no archive",
    )
    add("--no-load", action="store_false", dest="load", help="do not load it into an engine")
    add("--no-verify", action="store_false", dest="verify", help="do not start it")
    add("--push", action="store_true", help="then push it to the registry that the tag names")
    add("--plain-http", action="store_true", help="speak HTTP without TLS to registries")
    add("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args(arguments)
    tag = tags.parse(options.tag)
    chosen = tuple(platforms.parse(name) for name in dict.fromkeys(options.platform.split(",")))
    from builder.commands import build

    build.build(
        build.Options(
            tag=tag,
            platforms=chosen,
            run_config=options.run_config,
            output=options.output or paths.DIST / tag.file_name,
            added=tuple(options.added),
            removed=tuple(options.removed),
            base_image=tags.parse_reference(options.base_image, "--base-image") if options.base_image else None,
            debian_mirror=options.debian_mirror,
            locked=options.locked,
            load=options.load,
            containerfile=options.containerfile,
            verify=options.verify,
            push=options.push,
            plain_http=options.plain_http,
            json=options.json,
        )
    )


def _lock(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="build.py lock", description="Write the locks in requirements/ anew and say what moved."
    )
    parser.add_argument("--upgrade", action="store_true", help="move every package to the newest version that fits")
    parser.add_argument("--debian-mirror", metavar="URL", help="where dists/ and pool/ are")
    options = parser.parse_args(arguments)
    from builder.commands import lock

    lock.update(upgrade=options.upgrade, debian_mirror=options.debian_mirror)


def _push(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="build.py push",
        description="Push an image that was built here to the registry its tag names, without an engine. Credentials "
        "are those of docker login and podman login, or REGISTRY_USERNAME and REGISTRY_PASSWORD.",
    )
    add = parser.add_argument
    add("--tag", required=True, metavar="HOST/NAME[:TAG]", help="where to push it")
    add("--archive", type=Path, metavar="PATH", help="what to push (default: dist/HOST-NAME-TAG.tar)")
    add("--plain-http", action="store_true", help="speak HTTP without TLS")
    add("--no-verify", action="store_false", dest="verify", help="also an image that was never verified")
    add("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args(arguments)
    tag = tags.parse(options.tag)
    from builder.commands import push

    push.check(tag)
    push.run(tag, options.archive, plain_http=options.plain_http, unverified=not options.verify, as_json=options.json)


def _run(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="build.py run",
        description="Serve an image built here on 127.0.0.1, with an engine or without one.",
    )
    parser.add_argument("--tag", required=True, metavar="NAME[:TAG]", help="the tag it was built with")
    parser.add_argument("--port", type=int, default=8321, help="on 127.0.0.1 (default: 8321)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep state here (default: build/data/NAME-TAG)")
    parser.add_argument("--env", action="append", default=[], metavar="NAME[=VALUE]", help="for run.yaml's ${env.NAME}")
    options = parser.parse_args(arguments)
    from builder.commands import run as runner

    runner.run(tags.parse(options.tag), options.port, options.data, _variables(options.env))


def _variables(items: Iterable[str]) -> dict[str, str]:
    """Read NAME=VALUE, and NAME for the value it has here."""
    pairs = (item.partition("=") for item in items)
    return {name: value if equals else os.environ.get(name, "") for name, equals, value in pairs}


def _verify(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="build.py verify",
        description="Say everything that would keep the image from serving a run config, and where it is written. "
        "The config is for another machine: nothing is asked of this one's directories, ports and variables.",
        epilog="Exit codes: 0 it can be served, 78 it cannot, 2 usage, 65 the environment file is wrong.",
    )
    add = parser.add_argument
    add(
        "--config",
        type=Path,
        default=paths.RUN_CONFIG,
        metavar="PATH",
        help="a run config, or a Kubernetes ConfigMap manifest with one in it (default: run.yaml)",
    )
    add(
        "--env-file",
        type=Path,
        metavar="FILE",
        help="the target's environment, NAME=VALUE lines; without it and --env variables are taken as unknown",
    )
    add("--env", action="append", default=[], metavar="NAME[=VALUE]", help="one variable of the target's environment")
    add("--with", action="append", default=[], dest="added", metavar="API=TYPE", help="as for the build")
    add("--without", action="append", default=[], dest="removed", metavar="API=TYPE", help="as for the build")
    passed_on = {"--probe": "connect to each remote service too, 3 s at most", "--strict": "fail on warnings as well"}
    for name, meaning in passed_on.items():
        add(name, action="append_const", dest="passed_on", const=name, default=[], help=meaning)
    output = parser.add_mutually_exclusive_group()
    for name, meaning in {"--json": "print JSON", "--sarif": "print SARIF 2.1.0, for code hosts"}.items():
        output.add_argument(name, action="append_const", dest="passed_on", const=name, help=meaning)
    options = parser.parse_args(arguments)
    from builder.commands import verify

    return verify.verify(
        verify.Options(
            config=options.config,
            environment_file=options.env_file,
            environment=_variables(options.env),
            added=tuple(options.added),
            removed=tuple(options.removed),
            passed_on=tuple(options.passed_on),
        )
    )


def _report(error: KitError) -> None:
    if os.environ.get("DEBUG"):
        traceback.print_exception(error, file=sys.stderr)
    progress.err.print("[red]error:[/red] ", end="")
    progress.err.print(error.message, markup=False)
    if error.advice:
        progress.err.print(f"  -> {error.advice}", markup=False)
