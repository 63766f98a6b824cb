"""What was found insecure in this llama-stack, and what this image does about each: advisories.yaml, read."""

import json
import textwrap
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

import yaml

DOCUMENT = Path(__file__).resolve().parents[1] / "advisories.yaml"
WIDTH = 100
"""Columns of a line of text."""


class State(StrEnum):
    """What is true of this image."""

    MENDED = "mended"
    NOT_AFFECTED = "not affected"
    LEFT = "left"
    """Neither mended nor without effect here."""


@dataclass(frozen=True)
class Advisory:
    """One hole in llama-stack or in what it is locked with."""

    name: str
    """As changes of llama-stack and tests refer to it."""
    allows: str
    """What it lets whom do."""
    state: State
    upstream: list[str] = field(default_factory=list)
    """Upstream's issues and pull requests, CVE and GHSA numbers; empty for what was found here."""
    fixed_in: str = ""
    """The first version of upstream's without it; empty where none up to ogx 1.5.0 is known."""
    by: str = ""
    """Of what is mended: how."""
    because: str = ""
    """Of what does not affect the image: why not. Of what is left: why, and what to do about it."""
    packages: dict[str, str] = field(default_factory=dict)
    """Package -> the first version without it, where a newer package is the mend."""


def advisories(document: Path = DOCUMENT) -> list[Advisory]:
    """Read all, in their own order."""
    entries = yaml.safe_load(document.read_text(encoding="utf-8"))["advisories"]
    return [Advisory(**{**entry, "state": State(entry["state"])}) for entry in entries]


def as_text(all_of_them: list[Advisory]) -> str:
    """Return a paragraph each: name, state and references, then what it allows and what was done."""
    counts = ", ".join(f"{sum(one.state is state for one in all_of_them)} {state}" for state in State)
    return "\n".join([*map(_paragraph, all_of_them), f"{len(all_of_them)} advisories: {counts}"])


def _paragraph(one: Advisory) -> str:
    heading = f"{one.name}: {one.state}" + (f" ({', '.join(one.upstream)})" if one.upstream else "")
    texts = [one.allows, one.by or one.because]
    lines = [line for text in texts for line in textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ")]
    return "\n".join([heading, *lines, ""])


def as_json(all_of_them: list[Advisory]) -> str:
    """Return a JSON list of objects with the fields of `Advisory`."""
    return json.dumps([asdict(one) for one in all_of_them], indent=2)
