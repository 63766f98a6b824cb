"""The lock: every package of the image with its hashes, for Python 3.12 and 3.13, x86-64 and aarch64.

What goes in is composed from three sources: requirements/image.in, the packages upstream lists for the
manifest's providers, and external providers' own packages. What no shipped provider imports is left out by
name (requirements/left-out.txt). uv resolves; a digest of the inputs in the lock's first line tells whether
the two still belong together.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from builder import command, paths, release_age
from builder.errors import UnreachableError, UserFileError
from builder.manifest import Provider
from builder.provider_types import ProviderTypes
from builder.release_age import Upgrade

OLDEST_PYTHON = "3.12"
_DIGEST_LINE = re.compile(r"^# inputs: sha256:([0-9a-f]{64})$", re.MULTILINE)
_PACKAGE = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==.*\n(?:[ ].*\n)*", re.MULTILINE)
_NEEDED_BY = re.compile(r"^    # (?:  |via )(?P<name>[A-Za-z0-9._-]+)$", re.MULTILINE)
_CONSTRAINED = re.compile(r"^    # (?:via| ) -c .*\n", re.MULTILINE)
_PIN_LINE = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True)
class Inputs:
    """What a lock is made from: requirement lines and the names of what is left out, without comments."""

    requirements: tuple[str, ...]
    left_out: tuple[str, ...]
    limits: tuple[str, ...] = ()
    """Constraints on packages that may or may not come in."""

    @property
    def digest(self) -> str:
        """SHA-256 that a lock made from these inputs carries."""
        text = "\n".join(["python>=" + OLDEST_PYTHON, *self.requirements, "left out:", *self.left_out, *self.limits])
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Lock:
    """A lock file: its path, its text, and the pinned version of each package in it."""

    path: Path
    text: str

    @property
    def versions(self) -> dict[str, str]:
        """Normalised package name -> pinned version."""
        return {canonicalize_name(name): version for name, version in _PIN_LINE.findall(self.text)}


def inputs(providers: Iterable[Provider], known_types: ProviderTypes) -> Inputs:
    """Compose the inputs for these providers. Raises UserFileError for a line that is no requirement."""
    lines = set(requirement_lines(paths.IMAGE_INPUTS))
    for provider in providers:
        lines.update(known_types.packages(provider.api, provider.provider_type))
        if provider.module:
            lines.add(provider.module)
    left_out = tuple(canonicalize_name(name) for name in requirement_lines(paths.LEFT_OUT))
    kept = [line for line in lines if canonicalize_name(Requirement(line).name) not in left_out]
    return Inputs(tuple(sorted(kept)), tuple(sorted(left_out)))


def load(path: Path, expected: Inputs) -> Lock:
    """Read a lock and refuse one that was made from other inputs."""
    advice = "run: python build.py lock"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserFileError(path, "the lock is missing", advice) from error
    found = _DIGEST_LINE.search(text)
    if not found:
        raise UserFileError(path, "has no `# inputs:` line, so it is not a lock of this kit", advice)
    if found.group(1) != expected.digest:
        changed = "distribution/build.yaml, requirements/image.in or requirements/left-out.txt"
        raise UserFileError(path, f"the lock is older than its inputs ({changed} changed)", advice)
    return Lock(path, text)


def compile_lock(
    source: Inputs, target: Path, *, upgrade: Upgrade | None = None, constraints: Path | None = None
) -> Lock:
    """Resolve `source` with uv and write the hashed lock to `target`.

    Without `upgrade`, versions that `target` already pins stay where they are; `constraints` is another
    lock whose versions must be kept.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".draft")
    excludes, limits = target.with_suffix(".left-out"), target.with_suffix(".limits")
    excludes.write_text("".join(name + "\n" for name in source.left_out))
    limits.write_text("".join(limit + "\n" for limit in source.limits))
    if target.exists() and not upgrade:
        draft.write_bytes(target.read_bytes())
    words: list[str | Path] = ["pip", "compile", "-", "--output-file", draft, "--quiet"]
    words += ["--universal", "--python-version", OLDEST_PYTHON, *wheels_only()]
    words += ["--generate-hashes", "--no-header", "--excludes", excludes, "--constraints", limits]
    words += release_age.words(upgrade)
    words += ["--constraints", constraints] if constraints else []
    try:
        with release_age.explained():
            command.run_uv(
                words,
                stdin="\n".join(source.requirements),
                failure="the packages of the image could not be resolved",
                error=UnreachableError,
                advice="If a version conflict is named above, change distribution/build.yaml or "
                "requirements/image.in; otherwise check the index in your pip and uv settings.",
            )
        text = _headed(
            source, _CONSTRAINED.sub("", draft.read_text(encoding="utf-8"))
        )  # it names files of this machine
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
        excludes.unlink(missing_ok=True)
        limits.unlink(missing_ok=True)
    return Lock(target, text)


def reduce(whole: Lock, source: Inputs, target: Path) -> Lock:
    """Write to `target` what fewer inputs need of a lock. No index is asked: the lock says which package needs which.

    Raises UserFileError if it does not.
    """
    packages = {canonicalize_name(match["name"]): match.group() for match in _PACKAGE.finditer(whole.text)}
    needed_by = {name: set(_NEEDED_BY.findall(text)) for name, text in packages.items()}
    if not any(needed_by.values()):
        raise UserFileError(whole.path, "does not say which package needs which", "run: python build.py lock")
    found: set[str] = set()
    waiting = {canonicalize_name(Requirement(line).name) for line in source.requirements}
    while waiting:
        found |= waiting
        waiting = {name for name, by in needed_by.items() if by & waiting} - found
    text = _headed(source, "".join(packages[name] for name in packages if name in found))
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(target)
    return Lock(target, text)


def _headed(source: Inputs, pins: str) -> str:
    head = "# Written by `build.py lock`; change requirements/image.in and run it again."
    return f"{head}\n# inputs: sha256:{source.digest}\n{pins}"


def wheels_only() -> list[str]:
    """uv's options that allow wheels alone, but for the packages that publish none."""
    sdists = [word for name in requirement_lines(paths.SDISTS) for word in ("--no-binary", name)]
    return ["--only-binary", ":all:", *sdists]


def moved(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What changed between two sets of versions, one line a package."""
    lines = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old != new:
            lines.append(f"{name} {old or '(new)'} -> {new or '(gone)'}")
    return lines


def requirement_lines(path: Path) -> Sequence[str]:
    """The requirements of a hand-written file, without comments; every bad line is named."""
    lines = []
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = raw.split(" #")[0].strip()
        if not line or line.startswith("#"):
            continue
        try:
            Requirement(line)
        except InvalidRequirement as error:
            raise UserFileError(path, f"`{line}` is not a requirement: {error}", line=number) from error
        lines.append(line)
    return lines
