"""Secrets, kept out of the log and of answers."""

from typing import Any

from distribution.overlay.declaration import change
from distribution.verification.masking import without_secrets


@change(
    "llama_stack.core.utils.config:redact_sensitive_fields",
    takes=("data",),
    why="Upstream masks values by a short list of names: passwords in URLs, tokens and keys of other names are "
    "logged at the start and shown by /v1/providers.",
    reference="llamastack/llama-stack#4324, #4325",
    fixed_in="0.4.0 in part",
)
def redact_sensitive_fields(original: Any) -> Any:
    def redact_sensitive_fields(data: dict[str, Any]) -> Any:
        return without_secrets(data)

    return redact_sensitive_fields
