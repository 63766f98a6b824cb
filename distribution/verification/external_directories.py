"""Directories of external providers and APIs: `external_providers_dir` and `external_apis_dir`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from distribution.overlay import external, facts
from distribution.verification.findings import Finding, Severity
from distribution.verification.subject import Subject


@dataclass
class External:
    """What the directories hold. Those of another machine are unknown: anything might be in them."""

    providers: dict[str, dict[str, facts.Spec]] = field(default_factory=dict)
    providers_are_known: bool = True
    apis: set[str] = field(default_factory=set)
    apis_are_known: bool = True


def read(subject: Subject, found: External) -> Iterator[Finding]:
    """Put what the directories hold into `found`; find those that are not there or do not load."""
    for key in ("external_providers_dir", "external_apis_dir"):
        value = subject.get(key)
        if not isinstance(value, str):
            continue
        directory = Path(value).expanduser()
        if subject.expansion.is_unknown((key,)) or not subject.target.here:
            found.providers_are_known &= key != "external_providers_dir"
            found.apis_are_known &= key != "external_apis_dir"
        elif not directory.is_dir():
            yield subject.finding(
                "external-directory",
                (key,),
                f"`{key}` is {value}, which is not a directory. This image goes on without it.",
                f"Remove `{key}`, or mount the directory.",
            )
        else:
            yield from _load(subject, key, directory, found)


def _load(subject: Subject, key: str, directory: Path, found: External) -> Iterator[Finding]:
    try:
        if key == "external_providers_dir":
            found.providers = external.providers_in(directory)
        else:
            found.apis = external.apis_in(directory)
    except Exception as error:  # the files are other people's, and so is the code that reads them
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        yield subject.finding(
            "external-directory",
            (key,),
            f"A file in {directory} cannot be used: {reason.rstrip('.')}.",
            "Correct the file, or remove it.",
            severity=Severity.ERROR,
        )
