"""`build.py --tag ...`: from the manifest to a verified image. The command that needs no name."""

import platform as host
from argparse import BooleanOptionalAction
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder import arguments, paths, platforms, tags
from builder.arguments import Parser
from builder.commands import Command, register
from builder.platforms import Platform
from builder.tags import Reference, Tag


@dataclass(frozen=True, kw_only=True)
class Options:
    """What one build was asked for."""

    tag: Tag
    platforms: tuple[Platform, ...]
    run_config: Path
    output: Path | None
    added: Sequence[str]
    removed: Sequence[str]
    base_image: Reference | None
    debian_mirror: str | None
    locked: bool
    load: bool | None
    """Whether an engine must load it; None if one that answers may."""
    containerfile: bool
    verify: bool
    push: bool
    plain_http: bool
    json: bool

    @property
    def archive(self) -> Path:
        """Where the archive is written."""
        return self.output or paths.DIST / self.tag.file_name


def add_arguments(parser: Parser) -> None:
    """Add what a build takes."""
    add = parser.add_argument
    arguments.add_tag(parser, "the image's name, as in llama-stack:0.3.3")
    add("--run-config", type=Path, default=paths.RUN_CONFIG, metavar="PATH", help="baked in (default: run.yaml)")
    arguments.add_providers(parser)
    arguments.add_platforms(parser, platforms.of_machine(host.machine()).name)
    add("--base-image", type=_base_image, metavar="REF", help="build on this image which has Python 3.12 or 3.13")
    add("--output", type=Path, metavar="PATH", help="the archive (default: dist/NAME-TAG.tar)")
    arguments.add_debian_mirror(parser)
    add("--locked", action="store_true", help="fail rather than use another Debian version than the locked one")
    add("--containerfile", action="store_true", help="have an engine build ./Containerfile, and write no archive")
    add(
        "--load",
        action=BooleanOptionalAction,
        help="load it into an engine, or do not (default: if one answers; with --load it is an error if none does)",
    )
    add("--no-verify", action="store_false", dest="verify", help="do not start it")
    add("--push", action="store_true", help="then push it to the registry that the tag names")
    arguments.add_plain_http(parser)
    arguments.add_json(parser)


def _base_image(reference: str) -> Reference:
    return tags.parse_reference(reference, "--base-image")


def run(options: Options) -> int:
    """Build, verify, load and write one image."""
    from builder import building

    building.build(options)
    return 0


register(
    Command(
        name="build",
        summary="build and verify an image; the command's name may be left out",
        description="Build a Llama Stack distribution image and verify it. No container engine is needed; one that "
        "answers\n(Docker or Podman) gets the image loaded and verifies it under OpenShift's restrictions.",
        epilog="""\
examples:
  python build.py --tag llama-stack:0.3.3
  python build.py --tag registry.internal/ai/llama-stack:0.3.3 --run-config my-run.yaml
  python build.py --tag llama-stack:milvus --with vector_io=inline::milvus
  python build.py --tag registry.internal/ai/llama-stack:0.3.3 --platform linux/amd64,linux/arm64 --push
""",
        add_arguments=add_arguments,
        options=Options,
        run=run,
    )
)
