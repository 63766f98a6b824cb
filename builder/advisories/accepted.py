"""requirements/accepted-advisories.yaml: what is known to be affected, and why that may stay so until when."""

import datetime
from dataclasses import dataclass
from pathlib import Path

import yaml

from builder.errors import UserFileError, did_you_mean

_KEYS = ("id", "reason", "until")
_SHAPE = "- {id: CVE-2026-1234, reason: why it does no harm here, until: 2026-12-31}"


@dataclass(frozen=True)
class Accepted:
    """One finding that somebody has looked at."""

    name: str
    """The id of an advisory, or another name of the same flaw."""
    reason: str
    until: datetime.date
    """The last day on which it is accepted."""
    line: int

    def holds(self, today: datetime.date) -> bool:
        """Whether it is accepted on this day."""
        return today <= self.until


def load(path: Path) -> list[Accepted]:
    """Read the file; one that is not there accepts nothing. Raises UserFileError naming every entry that is wrong."""
    if not path.is_file():
        return []
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise UserFileError(path, f"is not YAML: {error.problem}", line=line) from error
    if root is None:
        return []
    if not isinstance(root, yaml.SequenceNode):
        raise UserFileError(path, "expected a list", _SHAPE, line=root.start_mark.line + 1)
    found: dict[str, Accepted] = {}
    problems: list[tuple[int, str]] = []
    for node in root.value:
        line = node.start_mark.line + 1
        try:
            entry = _entry(node, line)
        except ValueError as error:
            problems.append((line, str(error)))
            continue
        if entry.name in found:
            problems.append((line, f"{entry.name} is in line {found[entry.name].line} already"))
        found.setdefault(entry.name, entry)
    if problems:
        (line, first), *rest = problems
        more = "".join(f"\n{path}:{at}: {problem}" for at, problem in rest)
        raise UserFileError(path, first + more, f"an entry is written {_SHAPE}", line=line)
    return list(found.values())


def _entry(node: yaml.Node, line: int) -> Accepted:
    """Raises ValueError for what is no entry."""
    if not isinstance(node, yaml.MappingNode):
        raise ValueError("expected id, reason and until")
    values = {str(key.value): value.value for key, value in node.value}
    for key in values:
        if key not in _KEYS:
            raise ValueError(f"an entry has no {key}{did_you_mean(key, _KEYS)}")
    for key in _KEYS:
        if not isinstance(values.get(key), str) or not values[key].strip():
            raise ValueError(f"{key} is missing")
    try:
        until = datetime.date.fromisoformat(values["until"])
    except ValueError as error:
        raise ValueError(f"until: {values['until']} is no day such as 2026-12-31") from error
    return Accepted(values["id"], values["reason"], until, line)
