"""`.venv/bin/python -m distribution.overlay` prints docs/upstream-defects.md: every change of upstream, and why."""

from collections import defaultdict
from importlib import import_module

from distribution.overlay.declaration import Change, all_changes
from distribution.upstream import version

HEADING = f"""\
# What this distribution does otherwise than llama-stack {version.llama_stack()}

Written by `python -m distribution.overlay` from the declarations in distribution/overlay/; a test compares them. Each
entry is a name of upstream's that is changed when its module is imported, and the defect that is the reason.

"Mended in" is the first version whose code was read and does not have the defect: llama-stack 0.3.4 to 0.8.0, then
ogx 1.0.0 to 1.5.0, its new name. Where nothing is said none is known.
"""


def page() -> str:
    """Return the page in Markdown: a section a subject, an entry for each reason."""
    by_subject: dict[str, dict[tuple[str, str, str, str], list[Change]]] = defaultdict(lambda: defaultdict(list))
    for one in all_changes():
        by_subject[one.subject][one.why, one.reference, one.fixed_in, one.advisory].append(one)
    parts = [HEADING]
    for subject, reasons in sorted(by_subject.items()):
        parts += [f"## {subject}\n", f"{_first_line(subject)}\n"]
        parts += [_entry(changes) for changes in reasons.values()]
    return "\n".join(parts)


def _first_line(subject: str) -> str:
    return str(import_module(f"distribution.overlay.{subject}").__doc__).splitlines()[0]


def _entry(changes: list[Change]) -> str:
    one = changes[0]
    names = "\n".join(f"  `{change.target}`" + (" (new)" if change.adds else "") for change in changes)
    mended = f"mended in {one.fixed_in}" if one.fixed_in else ""
    advisory = f"advisory {one.advisory}" if one.advisory else ""
    history = [part for part in (one.reference, mended, advisory) if part]
    return f"* {one.why}" + (f" ({', '.join(history)})" if history else "") + f"\n\n{names}\n"


if __name__ == "__main__":
    print(page(), end="")
