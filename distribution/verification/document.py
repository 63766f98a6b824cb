"""A YAML file as data in which every key and value knows its line and column."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from distribution.verification.findings import CODES, Finding, KeyPath, dotted

# A run config has some hundred nodes and a handful of levels. What is far beyond is refused before it is
# built, because nested aliases can make a gigabyte out of a kilobyte.
MOST_NODES = 100_000
MOST_LEVELS = 60

LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Position:
    """A place in a file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Source:
    """YAML text, and where in its file it begins: inside other YAML it starts later and further right."""

    text: str
    file: str
    first_line: int = 0
    indent: int = 0

    def position(self, line: int, column: int) -> Position:
        """Turn a line and column of the text, from 0, into a position in the file."""
        return Position(self.first_line + line + 1, self.indent + column + 1)


@dataclass
class Document:
    """One YAML document: data as `yaml.safe_load` gives it, and the positions of its keys and values."""

    file: str
    data: Any
    keys: dict[KeyPath, Position] = field(default_factory=dict)
    values: dict[KeyPath, Position] = field(default_factory=dict)

    def position(self, path: KeyPath) -> Position:
        """Return where a value is written, or the nearest thing around it that is."""
        for length in range(len(path), -1, -1):
            if position := self.values.get(path[:length]):
                return position
        return Position(1, 1)

    def key_position(self, path: KeyPath) -> Position:
        """Return where a key is written; an item of a list has the position of its value."""
        return self.keys.get(path) or self.position(path)


def finding(code: str, file: str, position: Position, path: KeyPath, message: str, advice: str) -> Finding:
    """Make a finding of the code's usual severity."""
    severity = CODES[code][0]
    return Finding(code, severity, file, position.line, position.column, dotted(path), message, advice)


def load(source: Source) -> tuple[Document | None, list[Finding]]:
    """Read YAML text; without a document the findings say why there is none."""
    try:
        _refuse_extremes(source)
        loader = LOADER(source.text)
        try:
            root = loader.get_single_node()
            if root is None:
                return Document(source.file, None), []
            findings = list(_duplicate_keys(source, root, ()))
            document = Document(source.file, loader.construct_document(root))
            _note_positions(source, document, root, ())
        finally:
            loader.dispose()
    except _Refused as refusal:
        return None, [refusal.finding]
    except yaml.MarkedYAMLError as error:
        return None, _syntax_findings(source, error)
    # PyYAML lets these through from impossible dates, endless numbers, odd characters and the like.
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError, AttributeError) as error:
        return None, [_syntax_finding(source, Position(1, 1), str(error).splitlines()[0] if str(error) else "")]
    return document, findings


class _Refused(Exception):
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def _refuse_extremes(source: Source) -> None:
    """Raise _Refused for text that is too deep, too large or contains itself, without building it."""
    sizes: dict[str, int] = {}
    open_collections: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(source.text, Loader=LOADER):
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_collections):
                raise _refusal(source, event, f"the alias *{event.anchor} contains itself")
            total += sizes.get(event.anchor or "", 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            open_collections.append((event.anchor, total))
            total += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, start = open_collections.pop()
            if anchor:
                sizes[anchor] = total - start
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor:
                sizes[event.anchor] = 1
        if len(open_collections) > MOST_LEVELS:
            raise _refusal(source, event, f"it is nested more than {MOST_LEVELS} levels deep")
        if total > MOST_NODES:
            raise _refusal(source, event, f"it has more than {MOST_NODES:,} values")


def _refusal(source: Source, event: Any, reason: str) -> _Refused:
    position = source.position(event.start_mark.line, event.start_mark.column)
    return _Refused(
        finding(
            "not-a-run-config",
            source.file,
            position,
            (),
            f"The file cannot be a run config: {reason}.",
            "Give the run config itself.",
        )
    )


def _duplicate_keys(source: Source, node: yaml.Node, path: KeyPath) -> Iterator[Finding]:
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _duplicate_keys(source, item, (*path, index))
    elif isinstance(node, yaml.MappingNode):
        first_lines: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            step = key.value if isinstance(key.value, str) else "?"
            if isinstance(key, yaml.ScalarNode) and step != "<<":
                position = source.position(key.start_mark.line, key.start_mark.column)
                if first := first_lines.get((key.tag, step)):
                    yield finding(
                        "yaml-duplicate-key",
                        source.file,
                        position,
                        (*path, step),
                        f"`{step}` stands here and in line {first}. Only the value here counts.",
                        "Join the two, or remove one.",
                    )
                first_lines[key.tag, step] = position.line
            yield from _duplicate_keys(source, value, (*path, step))


def _note_positions(source: Source, document: Document, node: yaml.Node, path: KeyPath) -> None:
    """Note where everything below `node` is written. Merge keys (`<<`) are already resolved in it."""
    document.values.setdefault(path, source.position(node.start_mark.line, node.start_mark.column))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note_positions(source, document, item, (*path, index))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, _step(key))
            document.keys[below] = source.position(key.start_mark.line, key.start_mark.column)
            # A collection begins on the line below its key; people look for the key.
            if not isinstance(value, yaml.ScalarNode):
                document.values[below] = document.keys[below]
            else:
                document.values.pop(below, None)
            _note_positions(source, document, value, below)


def _step(key: yaml.Node) -> str:
    return key.value if isinstance(key.value, str) else "?"


def _syntax_findings(source: Source, error: yaml.MarkedYAMLError) -> list[Finding]:
    if tabs := _tab_indented_lines(source.text):
        return [
            finding(
                "yaml-tab",
                source.file,
                source.position(line, 0),
                (),
                "The indentation has a tab in it.",
                "Indent with spaces; YAML allows no tabs there.",
            )
            for line in tabs
        ]
    mark = error.problem_mark or error.context_mark
    position = source.position(mark.line, mark.column) if mark else Position(1, 1)
    return [_syntax_finding(source, position, error.problem or error.context or "")]


def _tab_indented_lines(text: str) -> list[int]:
    return [number for number, line in enumerate(text.splitlines()) if re.match(r"[ \t]*\t[ \t]*[^\s#]", line)]


def _syntax_finding(source: Source, position: Position, problem: str) -> Finding:
    if problem.startswith("but found another document"):
        return finding(
            "yaml-syntax",
            source.file,
            position,
            (),
            "A second YAML document begins here.",
            "A run config is one document: remove the `---` and what does not belong to it.",
        )
    if "{{" in source.text:
        advice = "The file has {{ }} in it: if it is a template, render it first (`helm template`) and give the result."
    else:
        advice = "Mind the indentation, and put text with `: `, `#` or a leading *, &, !, %, @ in quotes."
    return finding("yaml-syntax", source.file, position, (), f"The file is not valid YAML: {problem}.", advice)
