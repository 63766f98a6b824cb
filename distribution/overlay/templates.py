"""Templates that come with a request are rendered in a sandbox."""

import copy
import re
from typing import Any

from distribution.overlay.declaration import change


@change(
    "llama_stack.providers.inline.tool_runtime.rag.context_retriever:Template",
    why="`query_config.query_generator_config.template` of a request to the RAG tool is rendered as a program: whoever "
    "reaches the port runs code in the server.",
    reference="llamastack/llama-stack#5549",
    fixed_in="0.8.0",
    advisory="template-injection",
)
def template_in_a_sandbox(original: Any) -> Any:
    from providers.agents.message_templates import render_messages

    class Template:
        """What upstream uses of jinja2's Template; a template that will not do is the client's mistake."""

        def __init__(self, source: str) -> None:
            self.source = source

        def render(self, variables: dict[str, Any]) -> str:
            try:
                return render_messages(self.source, variables["messages"])
            except Exception as error:  # whatever a template raises, as for a division by zero, is its author's
                raise ValueError(f"query_generator_config.template cannot be rendered: {error}") from error

    return Template


MOST_FIELDS = 20
"""How many fields a format string of a request may have: each may be a whole chunk."""
LONGEST_SEPARATOR = 100
"""In characters, between the parts of a query."""
MOST_STORES = 100
"""How many vector stores one call of the RAG tool may search."""
LONGEST_NUMBER_OF_A_FORMAT = 3
"""How many digits a width or a precision may have in a format string."""


class FormatString(str):
    """A format string of a request: it may name fields and what belongs to them, and nothing that leads out."""

    def format(self, *values: Any, **named: Any) -> str:
        """Format as `str.format` does; raises ValueError."""
        from jinja2 import StrictUndefined
        from jinja2.sandbox import SandboxedEnvironment, SandboxedFormatter

        from providers.agents.message_templates import LONGEST_TEMPLATE

        class Formatter(SandboxedFormatter):
            def format_field(self, value: Any, spec: str) -> Any:
                if re.search(rf"\d{{{LONGEST_NUMBER_OF_A_FORMAT + 1},}}", spec):
                    raise ValueError(f"the format `{spec}` asks for too much")
                return super().format_field(value, spec)

        if self.count("{") > MOST_FIELDS or len(self) > LONGEST_TEMPLATE:
            raise ValueError(f"a template has {MOST_FIELDS} fields and {LONGEST_TEMPLATE} characters at most")
        try:
            return Formatter(SandboxedEnvironment(undefined=StrictUndefined)).vformat(self, values, named)
        except Exception as error:  # whatever a format string raises is its author's
            raise ValueError(f"the template cannot be filled in: {error}") from error


@change(
    "llama_stack.providers.inline.tool_runtime.rag.memory:MemoryToolRuntimeImpl.query",
    takes=("self", "content", "vector_db_ids", "query_config"),
    why="`query_config.chunk_template` of a request to the RAG tool is a format string that may look into Python's "
    "objects: `{chunk.model_dump.__globals__[sys].modules[os].environ}` is answered with the server's environment and "
    "every secret in it.",
    advisory="environment-in-answers",
)
def query(original: Any) -> Any:
    async def query(self: Any, content: Any, vector_db_ids: Any, query_config: Any = None) -> Any:
        if not isinstance(vector_db_ids, list) or not all(isinstance(one, str) for one in vector_db_ids):
            raise ValueError("vector_db_ids has to be a list of the ids of vector stores")
        if len(vector_db_ids) > MOST_STORES:
            raise ValueError(f"at most {MOST_STORES} vector stores are searched at once")
        if query_config:
            if len(getattr(query_config.query_generator_config, "separator", "")) > LONGEST_SEPARATOR:
                raise ValueError(f"separator is longer than {LONGEST_SEPARATOR} characters")
            template = FormatString(query_config.chunk_template)
            query_config = query_config.model_copy(update={"chunk_template": template})
        own = copy.copy(self)
        own.vector_io_api = _Described(self.vector_io_api)
        return await original(own, content, vector_db_ids, query_config)

    return query


class _Described:
    """The API of vector stores whose chunks all have metadata: those that were inserted without are a 500 else."""

    def __init__(self, vector_io: Any) -> None:
        self._vector_io = vector_io

    async def query_chunks(self, **arguments: Any) -> Any:
        from llama_stack.apis.vector_io import ChunkMetadata

        found = await self._vector_io.query_chunks(**arguments)
        found.chunks = [
            chunk
            if chunk.chunk_metadata
            else chunk.model_copy(
                update={"chunk_metadata": ChunkMetadata(chunk_id=chunk.chunk_id, document_id=chunk.document_id)}
            )
            for chunk in found.chunks
        ]
        return found


@change(
    "llama_stack.providers.inline.tool_runtime.rag.memory:MemoryToolRuntimeImpl.invoke_tool",
    takes=("self", "tool_name", "kwargs"),
    why="A call of the tool without a query is a 500.",
)
def invoke_tool(original: Any) -> Any:
    async def invoke_tool(self: Any, tool_name: str, kwargs: dict[str, Any]) -> Any:
        if "query" not in kwargs:
            raise ValueError("the tool's arguments have no `query`")
        return await original(self, tool_name, kwargs)

    return invoke_tool
