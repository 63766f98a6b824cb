"""Directories of external providers and APIs: `external_providers_dir` and `external_apis_dir`."""

from collections.abc import Iterator

from distribution.verification.findings import Finding, Severity
from distribution.verification.resolution import Resolution
from distribution.verification.subject import Subject


def check(subject: Subject, resolution: Resolution) -> Iterator[Finding]:
    """Find directories that are not there, and files in them that do not load."""
    for key, directory in resolution.external.absent.items():
        yield subject.finding(
            "external-directory",
            (key,),
            f"`{key}` is {directory}, which is not a directory. This image goes on without it.",
            f"Remove `{key}`, or mount the directory.",
        )
    for key, (directory, error) in resolution.external.errors.items():
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        yield subject.finding(
            "external-directory",
            (key,),
            f"{directory} cannot be used: {reason.rstrip('.')}.",
            "Correct what is in it, make it readable for this user, or remove the key.",
            severity=Severity.ERROR,
        )
