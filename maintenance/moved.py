"""`python -m maintenance.moved 0.3.5`: what an upgrade of llama-stack to that version moves.

Reads the sources of the installed llama-stack and of the other one, which is fetched from the package index and never
imported. Run it with the interpreter of `.venv`. The exit code is 0 whether something moved or not, 2 for what is no
version, 69 if the version cannot be fetched.
"""

import argparse
import sys
from collections.abc import Sequence

from packaging.version import Version

from builder import paths
from builder.errors import KitError
from distribution.overlay.declaration import Change, all_changes
from maintenance import config_classes, registries, releases, report, signatures
from maintenance.comparison import Items, Move, moves
from maintenance.sources import Sources

OUR_FOLDERS = ("distribution", "providers")
"""What imports llama-stack in the image."""


def main(arguments: Sequence[str]) -> int:
    """Print what moved; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m maintenance.moved", description=__doc__, allow_abbrev=False)
    parser.add_argument("version", help="the llama-stack to compare the installed one with")
    parser.add_argument("--json", action="store_true", help="print JSON, with all code that is different")
    options = parser.parse_args(arguments)
    pinned, ours = releases.installed()
    try:
        with releases.fetched(options.version) as other:
            found = compare(ours, other)
    except KitError as error:
        print(f"error: {error.message}" + (f"\n  -> {error.advice}" if error.advice else ""), file=sys.stderr)
        return error.exit_code
    write = report.as_json if options.json else report.as_text
    print(write(pinned, options.version, found, declared_as_mended(options.version)), end="")
    return 0


def compare(ours: Sources, other: Sources) -> dict[str, list[Move]]:
    """Return what moved, by subject."""
    before, after = snapshot(ours), snapshot(other)
    shared = before[report.REGISTRIES].keys() & after[report.REGISTRIES].keys()
    for one in (before, after):  # a provider type that came or went is said once
        configs = one[report.CONFIGS]
        one[report.CONFIGS] = {name: fields for name, fields in configs.items() if name in shared}
    return {subject: list(moves(before[subject], after[subject])) for subject in before}


def declared_as_mended(version: str) -> list[Change]:
    """Return the changes of upstream whose `fixed_in` is this version or an older one; those of ogx are later."""
    found = []
    for one in all_changes():
        mended_in = one.fixed_in.partition(" ")[0]
        if mended_in and mended_in != "ogx" and Version(mended_in) <= Version(version):
            found.append(one)
    return found


def snapshot(sources: Sources) -> dict[str, Items]:
    """Return all that is compared of one llama-stack, by subject."""
    types = registries.provider_types(sources)
    return {
        report.REGISTRIES: types,
        report.CONFIGS: config_classes.of_provider_types(sources, types),
        report.RUN_CONFIG: config_classes.of_run_config(sources, types),
        report.CHANGES: signatures.of_targets(sources, (one.target for one in all_changes())),
        report.IMPORTS: signatures.of_imports(sources, [paths.ROOT / name for name in OUR_FOLDERS]),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
