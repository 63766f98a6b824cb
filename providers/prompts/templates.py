"""The variables of a prompt template, which look like ``{{ name }}``."""

import re

NAME = re.compile(r"\w+")
PLACEHOLDER = re.compile(r"{{\s*(\w+)\s*}}")


def check_variables(template: str, declared: list[str]) -> None:
    """Raise ValueError, with all there is to say, unless ``declared`` fits the template.

    A variable that is declared and not used is fine: it may come back with the next version.
    """
    problems = []
    if undeclared := sorted(set(PLACEHOLDER.findall(template)) - set(declared)):
        problems.append(f"the template uses {_listed(undeclared)}, which `variables` does not name")
    if unusable := [name for name in declared if not NAME.fullmatch(name)]:
        problems.append(f"{_listed(unusable)} cannot be used in a template: a name has letters, digits and _ only")
    if repeated := sorted({name for name in declared if declared.count(name) > 1}):
        problems.append(f"`variables` names {_listed(repeated)} more than once")
    if problems:
        raise ValueError("; ".join(problems))


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)
