"""The access policy: rules that nothing matches, and rules that leave nobody a model."""

import difflib
import re
from collections.abc import Iterator
from typing import Any

from distribution.verification.findings import Finding, KeyPath
from distribution.verification.resolution import Resolution
from distribution.verification.subject import Subject

POLICY: KeyPath = ("server", "auth", "access_policy")
TYPES = (
    "agent",
    "batch",
    "benchmark",
    "dataset",
    "eval_job",
    "model",
    "prompt",
    "scoring_function",
    "session",
    "shield",
    "sql_record",
    "tool_group",
    "vector_store",
)
RESOURCE = re.compile(r"(?P<type>\w+)::(\*|[^*]*(::\*)?)")
NEEDS_AN_OWNER = re.compile(r"user\s+(is\s+owner|in\s+owners)\b")


def check(subject: Subject, resolution: Resolution) -> Iterator[Finding]:
    """Find what the rules do not mean; that they can be read at all is a matter of the schema."""
    rules = subject.get(*POLICY)
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        return
    for number, rule in enumerate(rules):
        for kind in ("permit", "forbid"):
            scope = rule.get(kind)
            resource = scope.get("resource") if isinstance(scope, dict) else None
            if isinstance(resource, str) and resource:
                yield from _resource(subject, (*POLICY, number, kind, "resource"), resource)
    if rules and not any(_gives_models(rule) for rule in rules):
        yield subject.finding(
            "access-policy",
            POLICY,
            "No rule lets a user read what nobody owns, so the models of this config are for nobody.",
            'Add `{permit: {actions: [read], resource: "model::*"}, when: resource is unowned}`.',
        )


def _resource(subject: Subject, path: KeyPath, resource: str) -> Iterator[Finding]:
    match = RESOURCE.fullmatch(resource)
    if match is None:
        yield subject.finding(
            "access-policy",
            path,
            f"`{resource}` matches nothing: `*` stands for all identifiers and for no part of one.",
            "Write TYPE::IDENTIFIER or TYPE::*.",
        )
    elif match["type"] not in TYPES and (near := difflib.get_close_matches(match["type"], TYPES, n=1)):
        yield subject.finding(
            "access-policy", path, f"There are no resources of type `{match['type']}`.", f"Did you mean `{near[0]}`?"
        )


def _gives_models(rule: dict[str, Any]) -> bool:
    scope = rule.get("permit")
    if not isinstance(scope, dict) or "read" not in (scope.get("actions") or ()):
        return False
    conditions = rule.get("when") or []
    texts = [conditions] if isinstance(conditions, str) else conditions
    of_models = str(scope.get("resource") or "model::").startswith("model::")
    return of_models and not any(NEEDS_AN_OWNER.match(str(text).strip()) for text in texts)
