"""The manifest: which providers the image ships, in upstream's build-config format (distribution/build.yaml)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from builder.errors import UsageError, UserFileError, did_you_mean
from builder.provider_types import ProviderTypes


@dataclass(frozen=True, order=True)
class Provider:
    """One provider of the manifest; `module` is the requirement of an external provider's package."""

    api: str
    provider_type: str
    module: str | None = None

    def __str__(self) -> str:
        return f"{self.api}={self.provider_type}"


@dataclass(frozen=True)
class Manifest:
    """The providers to ship and the text that goes into the image as build.yaml."""

    providers: tuple[Provider, ...]
    text: str

    def changed(self, added: Iterable[str], removed: Iterable[str], known_types: ProviderTypes) -> "Manifest":
        """This manifest with `--with` and `--without` applied, each an `API=TYPE`.

        Raises UsageError naming every choice that cannot be made.
        """
        providers = list(self.providers)
        problems = []
        for choice in added:
            provider = _parse_choice("--with", choice)
            if problem := _unknown(provider, known_types):
                problems.append(f"--with {choice}: {problem}")
            elif not any(_same(provider, other) for other in providers):
                providers.append(provider)
        for choice in removed:
            provider = _parse_choice("--without", choice)
            kept = [other for other in providers if not _same(provider, other)]
            if kept == providers:
                shipped = [str(other) for other in providers]
                near = did_you_mean(str(provider), shipped)
                problems.append(f"--without {choice}: distribution/build.yaml does not ship it{near}")
            providers = kept
        if problems:
            raise UsageError("\n".join(problems))
        if tuple(providers) == self.providers:
            return self
        return Manifest(tuple(providers), _rendered(self.text, providers))


def load(path: Path, known_types: ProviderTypes) -> Manifest:
    """Read a build config. Raises UserFileError with the file and line of everything that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except OSError as error:
        raise UserFileError(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserFileError(path, f"is not UTF-8 text (byte {error.start})") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise UserFileError(path, f"is not YAML: {error.problem}", line=line) from error
    providers = _providers(path, node, known_types)
    return Manifest(tuple(providers), text)


def _providers(path: Path, root: yaml.Node | None, known_types: ProviderTypes) -> list[Provider]:
    specification = _child(root, "distribution_spec")
    by_api = _child(specification, "providers")
    if not isinstance(by_api, yaml.MappingNode):
        shape = "version: 2, distribution_spec: {providers: {API: [{provider_type: TYPE}]}}"
        line = by_api.start_mark.line + 1 if by_api else None
        raise UserFileError(path, f"is not a build config; its shape is {shape}", line=line)
    found: list[Provider] = []
    problems: list[tuple[int, str]] = []
    for key, entries in by_api.value:
        if not isinstance(entries, yaml.SequenceNode):
            problems.append((entries.start_mark.line + 1, f"{key.value}: expected a list of providers"))
            continue
        for entry in entries.value:
            line = entry.start_mark.line + 1
            provider_type, module = _scalar(entry, "provider_type"), _scalar(entry, "module")
            if provider_type is None:
                problems.append((line, f"{key.value}: a provider is written `- provider_type: TYPE`"))
                continue
            provider = Provider(key.value, provider_type, module)
            if not module and (problem := _unknown(provider, known_types)):
                problems.append((line, problem))
            found.append(provider)
    if problems:
        first, *rest = problems
        more = "".join(f"\n{path}:{line}: {problem}" for line, problem in rest)
        advice = "a type that is new in providers/registry/ is known after: python build.py lock"
        raise UserFileError(path, first[1] + more, advice, line=first[0])
    return found


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return value  # type: ignore[no-any-return]
    return None


def _scalar(node: yaml.Node, key: str) -> str | None:
    value = _child(node, key)
    return str(value.value) if isinstance(value, yaml.ScalarNode) else None


def _parse_choice(option: str, choice: str) -> Provider:
    api, separator, provider_type = choice.partition("=")
    if not (api and separator and provider_type):
        raise UsageError(f"{option} {choice}: expected API=TYPE, as in {option} vector_io=inline::milvus")
    return Provider(api, provider_type)


def _same(one: Provider, other: Provider) -> bool:
    return (one.api, one.provider_type) == (other.api, other.provider_type)


def _unknown(provider: Provider, known_types: ProviderTypes) -> str:
    """Why llama-stack does not know this provider, with the nearest names; empty if it does."""
    types = known_types.types(provider.api)
    if not types:
        return f"llama-stack has no API `{provider.api}` with providers{did_you_mean(provider.api, known_types.apis)}"
    if provider.provider_type in types:
        return ""
    known = f"{provider.api} has no provider type `{provider.provider_type}`"
    return known + (did_you_mean(provider.provider_type, types) or f"; it has {', '.join(types)}")


def _rendered(text: str, providers: list[Provider]) -> str:
    document: dict[str, Any] = yaml.safe_load(text)
    by_api: dict[str, list[dict[str, str]]] = {}
    for provider in providers:
        entry = {"provider_type": provider.provider_type}
        if provider.module:
            entry["module"] = provider.module
        by_api.setdefault(provider.api, []).append(entry)
    document["distribution_spec"]["providers"] = by_api
    return yaml.safe_dump(document, sort_keys=False)
