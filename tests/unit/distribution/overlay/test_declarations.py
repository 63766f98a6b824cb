"""Every declared change has its target in upstream, as it was when it was written, and is in effect."""

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import distribution.overlay as overlay
from builder import pin
from distribution.overlay import declaration
from distribution.overlay.__main__ import page
from distribution.overlay.declaration import Change
from distribution.upstream import version

REPOSITORY = Path(__file__).parents[4]
CHANGES = list(declaration.all_changes())
SUBJECTS = [module.name for module in pkgutil.iter_modules(overlay.__path__)]

# What upstream itself has, in a process without the hooks: parameters, "no function", or "absent".
WITHOUT_HOOKS = """
import importlib, inspect, json, sys
found = {}
for target in json.load(sys.stdin):
    module, _, steps = target.partition(":")
    value = importlib.import_module(module)
    *outer, name = steps.split(".")
    for step in outer:
        value = getattr(value, step)
    if not hasattr(value, name):
        found[target] = "absent"
    elif inspect.isfunction(getattr(value, name)):
        found[target] = list(inspect.signature(getattr(value, name)).parameters)
    else:
        found[target] = "no function"
assert "distribution" not in sys.modules
print(json.dumps(found))
"""


def test_the_changes_are_tried_on_the_pinned_version() -> None:
    assert version.llama_stack() == pin.llama_stack()


@pytest.fixture(scope="module")
def upstream() -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_HOOKS],
        input=json.dumps([one.target for one in CHANGES]),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.target.partition(":")[2])
def test_upstream_has_what_a_change_relies_on(change: Change, upstream: dict[str, Any]) -> None:
    if change.adds:
        assert upstream[change.target] == "absent"
    elif change.takes is None:
        assert upstream[change.target] != "absent"
    else:
        assert upstream[change.target] == list(change.takes)


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.target.partition(":")[2])
def test_a_change_is_in_effect(change: Change) -> None:
    holder: Any = importlib.import_module(change.module)
    *outer, name = change.steps
    for step in outer:
        holder = getattr(holder, step)
    assert inspect.getattr_static(holder, name) is declaration.in_effect[change.target]


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.target.partition(":")[2])
def test_a_change_can_be_called_as_upstream_calls_it(change: Change) -> None:
    importlib.import_module(change.module)
    changed = declaration.in_effect[change.target]
    if change.takes is None or not inspect.isfunction(changed):
        return
    parameters = inspect.signature(changed, follow_wrapped=False).parameters.values()
    if not any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters):
        named = [one.name for one in parameters if one.kind is not inspect.Parameter.VAR_KEYWORD]
        assert named == list(change.takes)[: len(named)]
        assert len(named) == len(change.takes) or any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_imports_alone_and_imports_nothing_of_upstream(subject: str) -> None:
    if subject == "__main__":
        return
    code = (
        f"import sys, distribution.overlay.{subject}\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('llama_stack', 'uvicorn', 'fastapi')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_programs_without_upstream_import_nothing_for_it() -> None:
    code = (
        "import sys, distribution.hooks, json, http.server\n"
        "print([name for name in sys.modules if name.startswith(('distribution.', 'llama_stack', 'yaml'))])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['distribution.hooks']"


def test_every_change_says_why() -> None:
    assert not [one.target for one in CHANGES if not one.why.endswith((".", ")"))]


def test_the_page_of_upstream_defects_is_current() -> None:
    written = (REPOSITORY / "docs" / "upstream-defects.md").read_text(encoding="utf-8")
    assert written == page(), "run: .venv/bin/python -m distribution.overlay > docs/upstream-defects.md"
