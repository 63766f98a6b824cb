"""What the checks look at: one run config with its variables expanded, for one target."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any

from distribution.verification.document import Document
from distribution.verification.expansion import DISABLED, Expansion, converted, expand
from distribution.verification.findings import CODES, Finding, KeyPath, Severity, dotted
from distribution.verification.variable_files import VariableFiles, variable_files


@dataclass(frozen=True)
class Address:
    """Where the server is going to listen."""

    host: str
    port: int


@dataclass(frozen=True)
class Target:
    """Where the config is to be served.

    `environment` is None when nobody knows it; `here` says whether this machine is the target, so that its
    directories and ports can be asked. `address` and `workers` come from the launcher where it knows better
    than the config.
    """

    environment: Mapping[str, str] | None
    here: bool
    address: Address | None = None
    workers: int | None = None


class State(Enum):
    """Whether a provider is enabled; MAYBE when that depends on an environment nobody knows."""

    ON = "on"
    OFF = "off"
    MAYBE = "maybe"


@dataclass(frozen=True)
class ConfiguredProvider:
    """One entry below `providers:`; `switches` are the variables its provider_id depends on.

    `replaced_by` is the id of the provider that takes its place, where an API takes one provider.
    """

    api: str
    path: KeyPath
    provider_id: str
    provider_type: str
    config: dict[str, Any]
    module: str | None
    state: State
    switches: tuple[str, ...] = ()
    is_optional: bool = False
    replaced_by: str = ""


@dataclass
class Subject:
    """A run config to verify.

    `explained` holds the places about which a more telling finding has been made, so that others say nothing;
    `obsolete` those among them whose content is to be thrown away.
    """

    document: Document
    target: Target
    explained: set[KeyPath] = field(default_factory=set)
    obsolete: set[KeyPath] = field(default_factory=set)

    @cached_property
    def files(self) -> VariableFiles:
        """What files give of its variables."""
        return variable_files(self.document.data, self.target.environment or {}, here=self.target.here)

    @cached_property
    def expansion(self) -> Expansion:
        """The data with all variables expanded."""
        return expand(self.document.data, self.target.environment, self.files)

    @property
    def secret_sources(self) -> Mapping[str, str]:
        """The variables with their values, those of files among them, for the masking of what is printed."""
        return {**(self.target.environment or {}), **self.files.values}

    @property
    def data(self) -> dict[str, Any]:
        """The expanded data, which is a mapping."""
        data: dict[str, Any] = self.expansion.data
        return data

    def get(self, *path: str | int) -> Any:
        """Return the value at a path of the expanded data, None when it is not there."""
        value: Any = self.data
        for step in path:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
                value = value[step]
            else:
                return None
        return value

    def mapping(self, *path: str | int) -> dict[str, Any]:
        """Return the mapping at a path, {} when there is none."""
        value = self.get(*path)
        return value if isinstance(value, dict) else {}

    def entries(self, *path: str | int) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
        """Yield the mappings of the list at a path, each with its own path."""
        value = self.get(*path)
        for index, entry in enumerate(value if isinstance(value, list) else []):
            if isinstance(entry, dict):
                yield (*path, index), entry

    def is_explained(self, path: KeyPath) -> bool:
        """Tell whether something has been said about this place, or about what it is part of."""
        return any(path[: len(said)] == said for said in self.explained)

    def is_obsolete(self, path: KeyPath) -> bool:
        """Tell whether a place is part of something that is to be thrown away."""
        return any(path[: len(old)] == old for old in self.obsolete)

    def finding(
        self,
        code: str,
        path: KeyPath,
        message: str,
        advice: str,
        *,
        severity: Severity | None = None,
        at_key: bool = False,
    ) -> Finding:
        """Make a finding about a place of the config."""
        position = self.document.key_position(path) if at_key else self.document.position(path)
        return Finding(
            code,
            severity or CODES[code][0],
            self.document.file,
            position.line,
            position.column,
            dotted(path),
            message,
            advice,
        )

    @cached_property
    def providers(self) -> list[ConfiguredProvider]:
        """All entries below `providers:` that are shaped like one."""
        by_api = [
            [self._provider(str(api), path, entry) for path, entry in self.entries("providers", api)]
            for api in self.mapping("providers")
        ]
        return [provider for of_one_api in by_api for provider in _with_replacements(of_one_api)]

    @cached_property
    def enabled_providers(self) -> list[ConfiguredProvider]:
        """The providers that are on, or may be."""
        return [provider for provider in self.providers if provider.state is not State.OFF]

    @cached_property
    def served_apis(self) -> set[str]:
        """The APIs in `apis:`, or all that have providers when there is no such list."""
        listed = self.get("apis")
        if isinstance(listed, list) and listed:
            return {str(api) for api in listed}
        return {str(api) for api in self.mapping("providers")}

    def _provider(self, api: str, path: KeyPath, entry: dict[str, Any]) -> ConfiguredProvider:
        id_path = (*path, "provider_id")
        switches = tuple(dict.fromkeys(reference.name for reference in self.expansion.references.get(id_path, [])))
        provider_id, state = self._id_and_state(id_path, entry.get("provider_id"))
        config = entry.get("config")
        return ConfiguredProvider(
            api=api,
            path=path,
            provider_id=provider_id,
            provider_type=str(entry.get("provider_type") or ""),
            config=config if isinstance(config, dict) else {},
            module=str(entry["module"]) if entry.get("module") else None,
            state=state,
            switches=switches,
            is_optional=bool(switches) and not _is_on(converted(self._original_text(id_path), {})),
        )

    def _id_and_state(self, path: KeyPath, value: Any) -> tuple[str, State]:
        if path not in self.expansion.unknown:
            return (str(value), State.ON) if _is_on(value) else ("", State.OFF)
        # Nobody knows the environment: what would it be with the variables set, and what without?
        text = self._original_text(path)
        references = self.expansion.references[path]
        with_all = converted(text, {reference.name: "x" for reference in references})
        with_none = converted(text, {})
        on = [str(outcome) for outcome in (with_all, with_none) if _is_on(outcome)]
        if len(on) == 2 or any(not reference.operator for reference in references):
            return on[0] if on else text, State.ON
        return (on[0], State.MAYBE) if on else ("", State.OFF)

    def _original_text(self, path: KeyPath) -> str:
        value: Any = self.document.data
        for step in path:
            value = value[step]
        return str(value)


def _is_on(provider_id: Any) -> bool:
    return bool(provider_id) and provider_id != DISABLED


def _with_replacements(providers: list[ConfiguredProvider]) -> list[ConfiguredProvider]:
    """Return the providers of one API, each one off that a later one replaces.

    Of an API that takes one provider llama-stack uses the last. That is meant where the last is switched by a variable,
    as S3 files after local ones; otherwise it is a mistake, and a finding.
    """
    from distribution.upstream.apis import ALL_APIS, ROUTED_APIS  # not at the top: that imports llama-stack

    if not providers or providers[0].api in ROUTED_APIS or providers[0].api not in ALL_APIS:
        return providers
    result: list[ConfiguredProvider] = []
    for number, provider in enumerate(providers, start=1):
        following = [one for one in providers[number:] if one.is_optional and one.state is not State.OFF]
        if certain := [one for one in following if one.state is State.ON]:
            provider = replace(provider, state=State.OFF, replaced_by=certain[-1].provider_id)
        elif following and provider.state is State.ON:
            provider = replace(provider, state=State.MAYBE)
        result.append(provider)
    return result
