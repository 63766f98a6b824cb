"""Templates that put messages into words, written by whoever sends a request: they take little time and memory.

A template may loop over the messages, choose, trim and join. What would let it count far, repeat itself or make text
out of nothing is not there: macros, `range`, `namespace`, filters and methods whose result may be longer than what they
are given.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jinja2 import filters, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

LONGEST_TEMPLATE = 4_000
LONGEST_TEXT = 200_000
"""In characters: the messages together, and whatever is made of them."""
MOST_STEPS = 1_000
"""How many turns the loops of a template may take together."""
MOST_WORK = 20_000_000
"""How many characters and items filters and methods may go through together."""

FILTERS = {
    "capitalize": filters.do_capitalize,
    "count": len,
    "default": filters.do_default,
    "first": filters.FILTERS["first"],
    "last": filters.do_last,
    "length": len,
    "list": list,
    "lower": filters.do_lower,
    "reverse": filters.do_reverse,
    "sort": filters.do_sort,
    "string": str,
    "title": filters.do_title,
    "trim": filters.do_trim,
    "truncate": filters.do_truncate,
    "unique": filters.do_unique,
    "upper": filters.do_upper,
}
METHODS = ("endswith", "lower", "lstrip", "rstrip", "split", "splitlines", "startswith", "strip", "title", "upper")
REFUSED = (
    nodes.Macro,
    nodes.CallBlock,
    nodes.AssignBlock,
    nodes.FilterBlock,
    nodes.Include,
    nodes.Import,
    nodes.Extends,
)


def render_messages(source: str, messages: list[str]) -> str:
    """Render a template with `messages`; raises what jinja2 raises, SecurityError for what is too much."""
    if len(source) > LONGEST_TEMPLATE:
        raise SecurityError(f"it is longer than {LONGEST_TEMPLATE} characters")
    if sum(map(len, messages)) > LONGEST_TEXT:
        raise SecurityError(f"the messages are longer than {LONGEST_TEXT} characters")
    return _join(_Sandbox().from_string(source).generate(messages=messages))


def _join(parts: Iterable[Any], separator: str = "") -> str:
    """Join texts, as long as they are not too long."""
    texts: list[str] = []
    length = 0
    for part in parts:
        texts.append(str(part))
        length += len(texts[-1]) + len(separator)
        if length > LONGEST_TEXT:
            raise SecurityError(f"it makes more than {LONGEST_TEXT} characters")
    return separator.join(texts)


class _Sandbox(ImmutableSandboxedEnvironment):
    """For one template, whose steps and work it counts."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__()
        self._steps = 0
        self._work = 0
        self.globals = {}
        self.filters = {name: self._counting(one) for name, one in FILTERS.items()}
        self.filters |= {"d": self.filters["default"], "join": self._counting(_join), "counted": self._counted}

    def _spend(self, value: Any) -> None:
        self._work += len(value) if hasattr(value, "__len__") else 1
        if self._work > MOST_WORK:
            raise SecurityError("it does too much with its messages")

    def _counting(self, one: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **options: Any) -> Any:
            for argument in arguments:
                self._spend(argument)
            return one(*arguments, **options)

        for name in ("jinja_pass_arg",):  # whether the filter wants the environment, too
            if hasattr(one, name):
                setattr(counting, name, getattr(one, name))
        return counting

    def _counted(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self._steps += 1
            if self._steps > MOST_STEPS:
                raise SecurityError(f"its loops take more than {MOST_STEPS} turns")
            yield value

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for refused in tree.find_all(REFUSED):
            raise SecurityError(f"it has a {type(refused).__name__.lower()}")
        _Counting().visit(tree)
        return tree

    def wrap_str_format(self, value: Any) -> None:
        """Return no safe form of `str.format`, whose widths have no limit: it is an attribute like others."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may use an attribute: of texts, a few methods."""
        if isinstance(obj, str):
            return attr in METHODS
        return super().is_safe_attribute(obj, attr, value)

    def call(self, context: Any, obj: Any, *arguments: Any, **options: Any) -> Any:
        self._spend(getattr(obj, "__self__", ()))
        return super().call(context, obj, *arguments, **options)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or not all(isinstance(one, int | float) and abs(one) < 1e9 for one in (left, right)):
            raise SecurityError(f"`{operator}` is not for these operands; texts are joined by `~`")
        return super().call_binop(context, operator, left, right)


class _Counting(NodeTransformer):
    """Makes loops count their turns, and `~` look at what it makes."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            raise SecurityError("it has a recursive loop")
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "counted", [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        texts = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(texts, "join", [], [], None, None, lineno=node.lineno)
