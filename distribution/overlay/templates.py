"""Templates that come with a request are rendered in a sandbox."""

from typing import Any

from distribution.overlay.declaration import change

MOST_REPETITIONS = 10_000
"""How long `text * number` may make a text or a list in a template."""


@change(
    "llama_stack.providers.inline.tool_runtime.rag.context_retriever:Template",
    why="`query_config.query_generator_config.template` of a request to the RAG tool is rendered as a program: whoever "
    "reaches the port runs code in the server.",
    reference="llamastack/llama-stack#5549",
    fixed_in="0.8.0",
    advisory="template-injection",
)
def template_in_a_sandbox(original: Any) -> Any:
    from jinja2.exceptions import SecurityError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Sandbox(ImmutableSandboxedEnvironment):
        """No attributes that lead out of the template, and no product that fills the memory."""

        intercepted_binops = frozenset({"*", "**"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            pair = [value for value in (left, right) if isinstance(value, int)]
            if operator == "**" or (len(pair) < 2 and any(value > MOST_REPETITIONS for value in pair)):
                raise SecurityError(f"`{operator}` makes too much of its operands")
            return super().call_binop(context, operator, left, right)

    sandbox = Sandbox()

    class Template:
        """What upstream uses of jinja2's Template; a template that will not do is the client's mistake."""

        def __init__(self, source: str) -> None:
            self.source = source

        def render(self, variables: dict[str, Any]) -> str:
            try:
                return sandbox.from_string(self.source).render(variables)
            except Exception as error:  # whatever a template raises, as for a division by zero, is its author's
                raise ValueError(f"query_generator_config.template cannot be rendered: {error}") from error

    return Template
