"""Who may do what: everywhere by the rules of providers/access, which isolate users where the run config gives none."""

from typing import Any

from distribution.overlay.declaration import change

CONTROL = "llama_stack.core.access_control"


@change(
    f"{CONTROL}.conditions:parse_condition",
    takes=("condition",),
    why="`user in owners teams` holds for everybody where the owner has no teams or nobody owns the resource, and who "
    "lacks an attribute is printed to the log; `resource is unowned` is unknown.",
    reference="llamastack/llama-stack#4273, #4284",
    fixed_in="0.4.0 in part",
    advisory="access-without-attributes",
)
def parse_condition(original: Any) -> Any:
    from providers.access.conditions import parse

    def parse_condition(condition: str) -> Any:
        return parse(condition)

    return parse_condition


@change(
    f"{CONTROL}.access_control:is_action_allowed",
    takes=("policy", "action", "resource", "user"),
    why="Without `server.auth.access_policy` everybody reads, changes and deletes what somebody without attributes "
    "made: where tokens carry none, all users share everything.",
    reference="llamastack/llama-stack#4273, #4284",
    fixed_in="0.4.0 in part",
    advisory="shared-by-default",
)
def is_action_allowed(original: Any) -> Any:
    def is_action_allowed(policy: Any, action: Any, resource: Any, user: Any) -> bool:
        from providers.access.rules import is_allowed  # not before: it imports llama-stack, and so this module

        return is_allowed(policy, action, resource, user)

    return is_action_allowed


@change(
    f"{CONTROL}.access_control:_build_access_denied_message",
    takes=("action", "resource", "user"),
    why="The answer to who may not do something, and so the log, names all attributes of the user.",
    advisory="shared-by-default",
)
def denied_message(original: Any) -> Any:
    def denied_message(action: str | None, resource: Any, user: Any) -> str:
        if action is None or resource is None:
            return "You may not do this."
        return f"You may not {action} {resource.type}::{resource.identifier}."

    return denied_message


@change(
    "llama_stack.core.request_headers:user_from_scope",
    takes=("scope",),
    why="Whom a token names with an empty name, and without attributes, may do everything: nobody is taken for "
    "authentication switched off.",
    advisory="nameless-user",
)
def user_from_scope(original: Any) -> Any:
    def user_from_scope(scope: dict[str, Any]) -> Any:
        from llama_stack.core.datatypes import User

        if "principal" not in scope:  # authentication sets it, whatever the token says
            return None
        return User(principal=scope["principal"] or "", attributes=scope.get("user_attributes") or {})

    return user_from_scope


@change(
    "llama_stack.core.request_headers:parse_request_provider_data",
    takes=("headers",),
    why="The header X-LlamaStack-Provider-Data may say who the user is where authentication does not, and one that is "
    "no JSON object is a 500.",
    fixed_in="ogx 1.2.0",
    advisory="forged-user",
)
def parse_request_provider_data(parse: Any) -> Any:
    def parse_request_provider_data(headers: dict[str, str]) -> dict[str, Any] | None:
        data = parse(headers)
        if not isinstance(data, dict):
            return None
        return {name: value for name, value in data.items() if name != "__authenticated_user"}

    return parse_request_provider_data
