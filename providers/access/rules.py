"""Whether a user may do something to a resource, by the rules of `server.auth.access_policy` or by the default ones."""

from collections.abc import Sequence

from llama_stack.core.access_control.datatypes import AccessRule, Action, Scope

from providers.access.conditions import Resource, User, parse

REGISTERED = ("benchmark", "dataset", "model", "scoring_function", "shield", "tool_group")
"""The types of which the run config's own resources, which nobody owns, are for everybody."""

# Made without llama-stack's validation, which knows `resource is unowned` in the image only.
DEFAULT_POLICY = [
    AccessRule.model_construct(permit=Scope(actions=list(Action)), when="user is owner"),
    *(
        AccessRule.model_construct(
            permit=Scope(actions=[Action.READ], resource=f"{kind}::*"), when="resource is unowned"
        )
        for kind in REGISTERED
    ),
]
"""Where the run config gives no rules: everybody has what they own, and uses what the operator registered."""


def is_allowed(policy: Sequence[AccessRule], action: str, resource: Resource, user: User | None) -> bool:
    """Whether the first rule that applies permits it; where none applies it is denied.

    Without a user it is allowed: authentication is off, or the server itself acts.
    """
    if user is None:
        return True
    if not user.principal:
        return False  # a token that names nobody
    name = f"{resource.type}::{resource.identifier}"
    for rule in policy or DEFAULT_POLICY:
        scope = rule.permit or rule.forbid
        if scope is not None and _is_about(scope, action, name, user) and _holds(rule, resource, user):
            return rule.permit is not None
    return False


def shows_only_own(policy: Sequence[AccessRule]) -> bool:
    """Whether the rules are the default ones, by which a record is shown to its owner and to nobody else."""
    return not policy


def _is_about(scope: Scope, action: str, name: str, user: User) -> bool:
    actions = scope.actions if isinstance(scope.actions, list) else [scope.actions]
    wanted = scope.resource
    return (
        action in actions
        and (not scope.principal or scope.principal == user.principal)
        and (not wanted or wanted == name or (wanted.endswith("::*") and name.startswith(wanted[:-1])))
    )


def _holds(rule: AccessRule, resource: Resource, user: User) -> bool:
    conditions = rule.when or rule.unless
    if not conditions:
        return True
    texts = [conditions] if isinstance(conditions, str) else conditions
    all_hold = all(parse(text).matches(resource, user) for text in texts)
    return all_hold if rule.when else not all_hold
