"""The table of the default run config's environment variables, made from run.yaml."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from deploy.update import blocks

BEGIN = "<!-- environment: written by `python -m deploy.update` -->"
END = "<!-- end of environment -->"
_VARIABLE = re.compile(r"\$\{env\.(?P<name>\w+)(?P<operator>:=|:\+)?(?P<text>[^}]*)\}")
_SECRET = re.compile(r"PASSWORD|TOKEN|KEY")
_ONE_PROVIDER_APIS = ("agents", "batches", "files", "prompts")
"""APIs that take one provider: the last that is on."""
_NO_SECRETS = frozenset({"VLLM_MAX_TOKENS", "AUTH_TOKENS_FILE"})


@dataclass
class Variable:
    """What the run config does with a variable."""

    name: str
    default: str = ""
    switches_on: list[str] = field(default_factory=list)
    switches_off: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)

    @property
    def is_secret(self) -> bool:
        """Whether it belongs in a Secret."""
        return bool(_SECRET.search(self.name)) and self.name not in _NO_SECRETS


def with_table(page: str, run_config: str) -> str:
    """Return the page with the table."""
    lines = ["| variable | default | when set, is on | sets |", "| --- | --- | --- | --- |"]
    for variable in variables(run_config):
        name = f"`{variable.name}`" + (" (secret)" if variable.is_secret else "")
        default = f"`{variable.default}`" if variable.default else ""
        switches = _list(variable.switches_on)
        if variable.switches_off:
            switches += f", and {_list(variable.switches_off)} is off"
        lines.append(f"| {name} | {default} | {switches} | {_list(variable.places)} |")
    return blocks.replace(page, BEGIN, END, "\n".join([*lines, ""]))


def variables(run_config: str) -> list[Variable]:
    """Return the variables in the order in which they appear."""
    found: dict[str, Variable] = {}
    providers: list[str] = []
    for path, text in _scalars(yaml.compose(run_config)):
        if path.endswith(".provider_id"):
            providers.append(path.removesuffix(".provider_id"))
        for match in _VARIABLE.finditer(text):
            variable = found.setdefault(match["name"], Variable(match["name"]))
            if match["operator"] != ":+":
                variable.default = variable.default or match["text"]
                _add(variable.places, path)
            elif path.endswith(".provider_id"):
                *others, provider = providers
                _add(variable.switches_on, provider)
                api = provider.partition("[")[0]
                if api.removeprefix("providers.") in _ONE_PROVIDER_APIS:
                    variable.switches_off += [other for other in others if other.startswith(f"{api}[")]
            else:
                alone = _VARIABLE.sub("", text.replace(match[0], match["text"]))
                _add(variable.switches_on, f"{path.rpartition('.')[2]} {alone}")
    return list(found.values())


def _add(items: list[str], item: str) -> None:
    if item not in items:
        items.append(item)


def _list(items: list[str]) -> str:
    return ", ".join(f"`{item}`" for item in items)


def _scalars(node: yaml.Node | None, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text with its path; an item of a list goes by its provider's or resource's name when it is on."""
    if isinstance(node, yaml.ScalarNode):
        yield path, node.value
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(value, f"{path}.{key.value}" if path else key.value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item, f"{path}[{_name(item)}]")


def _name(item: yaml.Node) -> str:
    fields = {key.value: value.value for key, value in item.value} if isinstance(item, yaml.MappingNode) else {}
    for key in ("toolgroup_id", "shield_id", "model_type", "provider_id"):
        if key in fields:
            return _VARIABLE.sub(lambda match: match["text"], str(fields[key]))
    return ""
