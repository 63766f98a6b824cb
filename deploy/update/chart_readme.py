"""The table of values in the chart's README, made from the comments in values.yaml."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from deploy.update import blocks

BEGIN = "<!-- values: written by `python -m deploy.update` -->"
END = "<!-- end of values -->"
_SECTION = re.compile(r"^# == (.+) ==$")
_LONG = 60


@dataclass(frozen=True)
class Value:
    """A documented setting: its dotted path, its default and what its comment says."""

    path: str
    default: Any
    description: str
    section: str


def with_table(readme: str, values: str) -> str:
    """Return the README with a table of every value that has a comment of the form `# -- ...`."""
    lines = []
    section = ""
    for value in documented(values):
        if value.section != section:
            section = value.section
            lines += ["", f"### {section}", "", "| value | default | meaning |", "| --- | --- | --- |"]
        lines.append(f"| `{value.path}` | {_default(value)} | {_cell(value.description)} |")
    return blocks.replace(readme, BEGIN, END, "\n".join([*lines, "", ""]))


def documented(values: str) -> Iterator[Value]:
    """Yield the values that have a comment, in the order of the file."""
    lines = values.splitlines()
    for path, key, node in _keys(yaml.compose(values)):
        line = key.start_mark.line
        if description := _comment_above(lines, line):
            default = yaml.safe_load(yaml.serialize(node))
            yield Value(path, default, description, _section_above(lines, line))


def _keys(node: yaml.Node | None, prefix: str = "") -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        path = f"{prefix}{key.value}"
        yield path, key, value
        yield from _keys(value, f"{path}.")


def _comment_above(lines: list[str], line: int) -> str:
    """Return what the comment that ends above a line says, if it begins with `# -- `."""
    first = line
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    words = [text.strip().removeprefix("#").strip() for text in lines[first:line]]
    starts = [index for index, text in enumerate(words) if text.startswith("-- ")]
    return " ".join(words[starts[-1] :]).removeprefix("-- ") if starts else ""


def _section_above(lines: list[str], line: int) -> str:
    for text in reversed(lines[:line]):
        if found := _SECTION.match(text):
            return found.group(1)
    return ""


def _default(value: Value) -> str:
    text = json.dumps(value.default)
    return f"`{text}`" if len(text) <= _LONG else "see values.yaml"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
