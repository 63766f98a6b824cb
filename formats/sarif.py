"""SARIF 2.1.0: findings for code hosts, which show each beside the line that it is about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """One finding."""

    rule: str
    level: Level
    message: str
    file: str
    line: int
    column: int = 1
    subject: str
    """What it is about, by its full name."""
    accepted: str = ""
    """Why it is accepted, if it is: code hosts then do not count it."""


def log(tool: str, rules: Mapping[str, str], results: Iterable[Result]) -> dict[str, Any]:
    """The log of one run of `tool`; `rules` are the rules that found something and what each stands for."""
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": tool,
                        "rules": [
                            {"id": rule, "shortDescription": {"text": text}} for rule, text in sorted(rules.items())
                        ],
                    }
                },
                "results": [_result(result) for result in results],
            }
        ],
    }


def _result(result: Result) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "ruleId": result.rule,
        "level": result.level,
        "message": {"text": result.message},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": result.file.replace("\\", "/").lstrip("/")},
                    "region": {"startLine": result.line, "startColumn": result.column},
                },
                "logicalLocations": [{"fullyQualifiedName": result.subject}],
            }
        ],
    }
    if result.accepted:
        entry["suppressions"] = [{"kind": "external", "justification": result.accepted}]
    return entry
