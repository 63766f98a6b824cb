"""The variable that says where URLs of requests may lead."""

from collections.abc import Iterator

from distribution.verification.findings import Finding
from distribution.verification.resolution import Resolution
from distribution.verification.subject import Subject
from providers.outgoing import VARIABLE, Rules, RulesError


def check(subject: Subject, _: Resolution) -> Iterator[Finding]:
    """Find a setting that cannot be read: a wrong one must not come down to none."""
    try:
        Rules.from_environment(subject.target.environment or {})
    except RulesError as error:
        yield subject.finding(
            "outgoing",
            (),
            f"The environment variable {VARIABLE} cannot be read: {error}.",
            "Correct it, or unset it: docs/outgoing-requests.md says what is allowed without it.",
        )
