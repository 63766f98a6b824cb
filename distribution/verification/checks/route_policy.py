"""Rules for routes: those that mean nothing, and policies that leave too little."""

import re
from collections.abc import Iterator
from typing import Any

from starlette.routing import compile_path

from distribution.verification.checks.authentication import PROVIDER
from distribution.verification.config_models import nearest
from distribution.verification.findings import Finding, KeyPath, Severity
from distribution.verification.resolution import Resolution
from distribution.verification.subject import Subject
from providers.authentication.config import is_off

POLICY: KeyPath = ("server", "auth", "route_policy")
HEALTH = "/v1/health"
PARAMETER = re.compile(r"\{(\w+)(:path)?\}")


def check(subject: Subject, _: Resolution) -> Iterator[Finding]:
    """Find paths that no route has, rules for users that nobody knows, and routes that have to be there."""
    written = subject.get(*POLICY)
    if not isinstance(written, list):
        return
    if not written:
        yield subject.finding(
            "route-policy",
            POLICY,
            "The policy has no rule, so that it forbids nothing.",
            "Remove it, or give it rules.",
            severity=Severity.WARNING,
        )
        return
    rules = list(subject.entries(*POLICY))
    yield from _unknown_paths(subject, rules)
    yield from _rules_for_users(subject, rules)
    yield from _what_is_left(subject, rules)


def _unknown_paths(subject: Subject, rules: list[tuple[KeyPath, dict[str, Any]]]) -> Iterator[Finding]:
    from distribution.upstream.routes import paths  # not at the top: hardly any run config has a policy

    known = paths()
    for place, pattern in _patterns(rules):
        if (
            subject.expansion.is_unknown(place)
            or pattern.startswith("regex:")
            or any(may_match(pattern, path) for path in known)
        ):
            continue
        near = nearest(pattern.rstrip("*"), [*known, *{prefix for path in known for prefix in _prefixes(path)}])
        star = "*" if pattern.endswith("*") else ""
        yield subject.finding(
            "route-policy",
            place,
            f"No route has the path `{pattern}`, so that the rule means nothing.",
            f"Did you mean `{near}{star}`?" if near else "GET /v1/inspect/routes lists them.",
            # Only the target knows the routes of its own APIs.
            severity=Severity.WARNING if subject.get("external_apis_dir") else None,
        )


def _patterns(rules: list[tuple[KeyPath, dict[str, Any]]]) -> Iterator[tuple[KeyPath, str]]:
    for rule, content in rules:
        for effect in ("permit", "forbid"):
            scope = content.get(effect)
            paths = scope.get("paths") if isinstance(scope, dict) else None
            if isinstance(paths, str):
                yield (*rule, effect, "paths"), paths
            for index, path in enumerate(paths if isinstance(paths, list) else []):
                if isinstance(path, str):
                    yield (*rule, effect, "paths", index), path


def _prefixes(path: str) -> Iterator[str]:
    steps = path.split("/")
    return ("/".join(steps[:number]) for number in range(3, len(steps)))


def may_match(pattern: str, template: str) -> bool:
    """Tell whether a path of a template can be one that a pattern means."""
    if not pattern.endswith("*"):
        return compile_path(template)[0].match(pattern) is not None
    prefix = pattern.removesuffix("*")
    while prefix and template:
        parameter = PARAMETER.match(template)
        if not parameter:
            if prefix[0] != template[0]:
                return False
            prefix, template = prefix[1:], template[1:]
        elif parameter[2] or "/" not in prefix:
            return True
        else:
            prefix, template = prefix[prefix.index("/") :], template[parameter.end() :]
    return not prefix


def _rules_for_users(subject: Subject, rules: list[tuple[KeyPath, dict[str, Any]]]) -> Iterator[Finding]:
    if subject.expansion.is_unknown((*PROVIDER, "type")):
        return
    if subject.mapping(*PROVIDER) and not is_off(subject.get(*PROVIDER)):
        return
    for place, content in rules:
        for condition in ("when", "unless"):
            if content.get(condition):
                yield subject.finding(
                    "route-policy",
                    (*place, condition),
                    f"Nobody has to authenticate, so that a rule with `{condition}` is about nobody.",
                    "Remove the condition, or switch authentication on.",
                    severity=Severity.WARNING,
                )


def _what_is_left(subject: Subject, rules: list[tuple[KeyPath, dict[str, Any]]]) -> Iterator[Finding]:
    """Read the rules as the server does, if they can be read; the schema says what else is wrong with them."""
    from pydantic import ValidationError

    from providers.authentication.route_policy import RouteAccessRule, is_for_nobody

    try:
        policy = [RouteAccessRule.model_validate(content) for _, content in rules]
    except ValidationError:
        return
    if not any(rule.permit for rule in policy):
        yield subject.finding(
            "route-policy",
            POLICY,
            "No rule permits anything, and what no rule is about is forbidden: every route would answer 403.",
            'End the list with `- permit: {paths: "*"}`.',
        )
    elif is_for_nobody(policy, HEALTH):
        yield subject.finding(
            "route-policy",
            POLICY,
            f"{HEALTH} is forbidden, so that Kubernetes takes the server for dead.",
            f'Permit it: `- permit: {{paths: "{HEALTH}"}}`.',
            severity=Severity.WARNING,
        )
